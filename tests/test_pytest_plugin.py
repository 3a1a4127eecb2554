"""The pytest plugin, in a project of its own."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from speechlike import ROOT, environment, write_clips

TESTS = """
import pytest
from voiceattack.testing import assert_robust

@pytest.mark.voiceattack(victim="tiny", attack="noise", snr_db=90, speech="clips")
def test_holds(speech, attack):
    attempt = attack(speech)
    assert attempt.outcome in ("held", "no_effect") and attempt.snr_db > 80
    assert_robust(attempt, max_wer=0.5)

@pytest.mark.voiceattack(victim="tiny", attack="noise", snr_db=-5, speech="clips", limit=1)
def test_fooled(speech, attack):
    assert_robust(attack(speech))
"""


def project(folder: Path, tests: str = TESTS, count: int = 2) -> Path:
    write_clips(folder / "clips", count)
    (folder / "test_it.py").write_text(tests)
    (folder / "pytest.ini").write_text("[pytest]\n")
    return folder


def pytest_in(folder: Path, *options: str | Path) -> tuple[int, str]:
    """pytest as a user runs it, with the installed plugin."""
    command = [sys.executable, "-m", "pytest", "--strict-markers", "-p", "no:cacheprovider", "-W", "error", *map(str, options)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, env=environment(), check=False)
    return done.returncode, done.stdout + done.stderr


def test_one_test_passes_and_the_failing_one_says_what_was_heard_and_what_to_play(tmp_path: Path) -> None:
    code, text = pytest_in(project(tmp_path), "--voiceattack-out", "kept", "--junitxml", "j.xml", "-rN")
    assert code == 1 and "1 failed, 2 passed" in text, text
    for words in ("tiny was fooled by noise at -4", "said:", "heard clean:", "heard:", "WER -", "voiceattack replay"):
        assert words in text, words
    assert "Traceback" not in text and "def assert_robust" not in text
    (play,) = [line.split("play:")[1].strip() for line in text.splitlines() if line.startswith("E") and "play:" in line]
    assert Path(play).is_file() and Path(play).is_relative_to(tmp_path / "kept")
    assert "voiceattack: runs and audio are in kept" in text
    cases = {case.get("name"): case for case in ET.parse(tmp_path / "j.xml").iter("testcase")}
    assert set(cases) == {"test_holds[clip0]", "test_holds[clip1]", "test_fooled[clip0]"}
    properties = {item.get("name"): item.get("value") for item in cases["test_fooled[clip0]"].iter("property")}
    assert properties["voiceattack_outcome"] == "fooled" and properties["voiceattack_audio"] == play
    again, text = pytest_in(tmp_path, "--voiceattack-out", "kept")
    assert again == 1 and "1 failed, 2 passed" in text, "resumed, the same"


def test_under_xdist_it_is_the_same(tmp_path: Path) -> None:
    code, text = pytest_in(project(tmp_path), "-n", "2", "--voiceattack-out", "kept")
    assert code == 1 and "1 failed, 2 passed" in text, text
    assert "tiny was fooled by noise" in text and len(list((tmp_path / "kept").glob("*/run.json"))) == 3


MISTAKES = {
    "victim='tiny', attack='nois', snr_db=20, speech='clips'": "unknown attack 'nois' (did you mean 'noise'?)",
    "victim='tiny', attack='pgd', snr_db=20, stepz=3, speech='clips'": "parameter 'stepz'",
    "victim='tinny', speech='clips'": "unknown victim 'tinny' (did you mean 'tiny'?)",
}


def test_mistakes_are_told_on_one_line(tmp_path: Path) -> None:
    tests = [
        f"@pytest.mark.voiceattack({marker})\ndef test_{index}(speech, attack):\n    attack(speech)\n"
        for index, marker in enumerate(MISTAKES)
    ]
    code, text = pytest_in(project(tmp_path, "\n".join(["import pytest", *tests]), 1))
    assert code == 1 and "2 failed, 1 error" in text and "another exception" not in text and "Traceback" not in text, text
    for message in MISTAKES.values():
        assert message in text


@pytest.mark.parametrize(
    ("marker", "message"), [("speech='nowhere'", "no such file or folder"), ("'pgd', speech='clips'", "takes keywords only")]
)
def test_mistakes_of_a_marker_end_the_collection(tmp_path: Path, marker: str, message: str) -> None:
    body = f"import pytest\n@pytest.mark.voiceattack({marker})\ndef test_it(speech):\n    pass\n"
    code, text = pytest_in(project(tmp_path, body, 1))
    assert code not in (0, 5) and message in text and "Traceback" not in text, text


def test_victims_from_the_command_line_and_files_by_name(tmp_path: Path) -> None:
    body = """
from voiceattack.testing import assert_robust
def test_spec(victim, attack):
    assert victim.spec == "tiny"
    attempt = attack("clips/clip0.wav", attack="pgd", snr_db=15, steps=3, check_every=1, target="zz")
    assert attempt.row.objective == "targeted" and attempt.row.target == "zz"
    wrong = attack("clips/clip0.wav", text="never heard", attack="noise", snr_db=90)
    try:
        assert_robust(wrong)
    except AssertionError as error:
        assert "mishears the clean clip already" in str(error)
    else:
        assert False
"""
    code, text = pytest_in(project(tmp_path, body, 1), "--voiceattack-victim", "tiny")
    assert code == 0, text


def test_the_plugin_costs_other_test_suites_nothing(tmp_path: Path) -> None:
    body = "import sys\ndef test_it():\n    assert not {'torch', 'numpy', 'transformers', 'pydantic'} & set(sys.modules)\n"
    code, text = pytest_in(project(tmp_path, body, 0))
    assert code == 0, text


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / "samples" / "manifest.jsonl").exists(), reason="no samples/ here: run scripts/make_samples.py")
def test_the_example_project_passes_once_and_fails_once(tmp_path: Path) -> None:
    # With "=": a folder that stands alone among the arguments would move the root, and with it the tests' names.
    code, text = pytest_in(ROOT / "examples" / "pytest-robustness", f"--voiceattack-out={tmp_path}")
    assert code == 1 and "1 failed, 1 passed" in text, text
    assert "FAILED test_robustness.py::test_an_attacker_does_not_fool_it" in text
