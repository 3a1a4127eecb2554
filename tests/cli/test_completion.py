"""What a shell completes, asked as a shell asks; torch, which takes seconds, stays out of it."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

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


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "replies"),
    [
        ("voiceattack attack in --attack corruption : gs", ["gsm"]),
        ("voiceattack attack in --attack = pg", ["pgd"]),
        ("voiceattack transcribe --victim faster-whisper : whisper-tiny.en in --device", ["--device"]),
        ("voiceattack attack in --attack pg", ["pgd"]),
    ],
)
def test_bash_itself_completes_words_that_it_cuts(words: str, replies: list[str], tmp_path: Path) -> None:
    command = tmp_path / "voiceattack"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m voiceattack "$@"\n')
    command.chmod(0o755)
    blind = environment(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    shown = subprocess.run([command, "--show-completion", "bash"], capture_output=True, text=True, env=blind, check=True).stdout
    typed = f"COMP_WORDS=({words}); COMP_CWORD={len(words.split()) - 1}; _voiceattack_completion {shlex.quote(str(command))}"
    asked = f'{shown}\n{typed}; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "--norc", "-c", asked], capture_output=True, text=True, env=environment(), check=True)
    assert done.stdout.split() == replies, done.stderr


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
