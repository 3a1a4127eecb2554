"""What a shell completes, asked as a shell asks; torch, which takes seconds, stays out of it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from speechlike import environment

from voiceattack.cli.completion import names
from voiceattack.cli.list_ import Kind
from voiceattack.metrics import METRICS

ASKED = """
import atexit, sys
from voiceattack.cli import main
atexit.register(lambda: sys.stderr.write("heavy" * bool({"torch", "transformers"} & set(sys.modules))))
sys.exit(main([]))
"""


def completed(line: str) -> list[str]:
    """What bash is told when the cursor stands at the end of ``line``."""
    words = line.split(" ")
    asked = {"_VOICEATTACK_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, env=environment(**asked), check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("voiceattack tran", {"transcribe"}),
        ("voiceattack transcribe --victim whisper-t", {"whisper-tiny.en"}),
        ("voiceattack attack in --victim vo", {"vosk"}),
        ("voiceattack attack in --attack pg", {"pgd"}),
        ("voiceattack attack in --attack corruption:gs", {"corruption:gsm"}),
        ("voiceattack attack in --snr", {"--snr-db"}),
        ("voiceattack text in --perturbation homo", {"homophones", "homoglyphs"}),
        ("voiceattack list me", {"metrics"}),
    ],
)
def test_a_shell_completes(line: str, found: set[str]) -> None:
    assert set(completed(line)) == found


def test_metrics_are_named_without_torch() -> None:
    code = (
        "import sys; from voiceattack.cli.completion import names; from voiceattack.cli.list_ import Kind;"
        "print(*(name for name, _ in names(Kind.metrics))); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=False)
    assert (done.returncode, done.stdout.split()) == (0, METRICS.names())
    assert ("corruption:gain", "amplified and clipped") in names(Kind.attacks)


def test_the_package_of_victims_says_what_it_has_not() -> None:
    import voiceattack.victims

    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        voiceattack.victims.nothing  # noqa: B018
    assert voiceattack.victims.Victim.__module__ == "voiceattack.victims.base"
