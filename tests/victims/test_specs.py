"""Spec strings as texts: how patiently a victim is asked is no part of what it is called."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest
from speechlike import in_process, write_clips
from suite_fixture import run as run_suite
from suite_fixture import summary, write_suite

from voiceattack.runs import Run
from voiceattack.victims import load_victim
from voiceattack.victims.specs import without_patience


@pytest.mark.parametrize(
    ("spec", "called"),
    [
        (" wyoming://h:1?timeout=5 ", "wyoming://h:1"),
        ("wyoming://h:1?language=en&timeout=5&retries=0", "wyoming://h:1?language=en"),
        ("openai+https://h/v1?rpm=60&model=a%20b&timeout=9", "openai+https://h/v1?model=a%20b"),
        ("command:asr --q? {audio}?timeout=5", "command:asr --q? {audio}"),
        ("command:asr {audio} ?timeout=5 x", "command:asr {audio} ?timeout=5 x"),
        ("home-assistant+http://h:1?pipeline=p&timeout=5&settle=2", "home-assistant+http://h:1?pipeline=p&settle=2"),
        ("python:my.module:make?timeout=5", "python:my.module:make?timeout=5"),
        ("hf:model?language=en", "hf:model?language=en"),
        ("whisper-tiny.en", "whisper-tiny.en"),
    ],
)
def test_only_patience_is_left_out(spec: str, called: str) -> None:
    assert without_patience(spec) == called and without_patience(called) == called


def test_a_victim_goes_by_its_name() -> None:
    assert load_victim("command:cat {audio}?timeout=5&language=de").spec == "command:cat {audio}?language=de"


@pytest.fixture
def slow(tmp_path: Path) -> str:
    """A program that answers after two seconds, and at once when the file ``quick`` is there."""
    script = (
        "import pathlib, time\nif not pathlib.Path(__file__).with_name('quick').exists():\n    time.sleep(2)\nprint('hello')\n"
    )
    (tmp_path / "asr.py").write_text(script)
    return f"command:{sys.executable} {tmp_path / 'asr.py'} {{audio}}"


def test_a_run_that_ran_out_of_time_goes_on_with_more(slow: str, tmp_path: Path) -> None:
    asked = ["attack", *write_clips(tmp_path / "in", 1), "--attack", "noise", "--snr-db", "20", "--out", str(tmp_path / "run")]
    failed = in_process(*asked, "--victim", f"{slow}?timeout=0.2", "--cache", str(tmp_path / "cache"))
    assert failed.returncode == 2 and "raise ?timeout=SECONDS" in failed.stderr + failed.stdout
    (tmp_path / "quick").touch()
    done = in_process(*asked, "--victim", f"{slow}?timeout=20", "--cache", str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    (group,) = Run.open(tmp_path / "run").summary()["groups"]
    assert (group["victim"], group["source_victim"], group["n"], group["n_error"]) == (slow, slow, 1, 0)
    with sqlite3.connect(tmp_path / "cache" / "queries.sqlite") as file:
        (answers,) = file.execute("SELECT COUNT(*) FROM answers").fetchone()
    again = in_process("evaluate", str(tmp_path / "run"), "--victim", f"{slow}?timeout=30", "--cache", str(tmp_path / "cache"))
    assert again.returncode == 0, again.stderr
    with sqlite3.connect(tmp_path / "cache" / "queries.sqlite") as file:
        assert file.execute("SELECT COUNT(*) FROM answers").fetchone() == (answers,), "nothing was asked twice"
    assert len(Run.open(tmp_path / "run").results()) == 1


def test_a_suite_finds_what_a_patient_victim_heard(slow: str, tmp_path: Path) -> None:
    (tmp_path / "quick").touch()

    def judged(timeout: int) -> str:
        victims = [{"name": "prog", "spec": f"{slow}?timeout={timeout}"}]
        noise = [{"attack": "noise", "budget": {"snr_db": 20}}]
        suite = write_suite(tmp_path, victims=victims, attacks=noise, gates=["success_rate <= 0"])
        code, text, errors = run_suite(suite, "--trust")
        assert code == 0, text + errors
        assert len(summary(suite)["examples"]) == 2
        return text

    assert "2 artefacts crafted, 0 from before" in judged(20)
    assert "0 artefacts crafted, 2 from before" in judged(30)
