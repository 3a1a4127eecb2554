"""What a command says at its end: verdicts in colour on a terminal, all clips of a failed gate, and what comes next."""

from __future__ import annotations

import contextlib
import os
import pty
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from speechlike import in_process, write_clips
from suite_fixture import write_suite

from voiceattack.cli import app
from voiceattack.cli.console import coloured, say
from voiceattack.corpus import read_corpus
from voiceattack.craft.run import other_clips

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
QUICK = ("--victim", "tiny", "--attack", "noise", "--snr-db", "20")


def next_of(told: str) -> dict[str, Any]:
    """The command that is said to come next, as the real command line reads it."""
    (line,) = [line for line in told.splitlines() if line.startswith("next: ")]
    program, name, *words = shlex.split(line.removeprefix("next: "), comments=True)
    assert program == "voiceattack"
    given: dict[str, Any] = COMMANDS[name].make_context(name, words).params
    return {"command": name, **given}


@pytest.mark.parametrize(("surroundings", "shown"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_verdicts_are_coloured_on_a_terminal(
    surroundings: dict[str, str], shown: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"NO_COLOR": "", "TERM": "xterm", **surroundings}.items():
        monkeypatch.setenv(name, value)
    terminal, end = pty.openpty()
    with os.fdopen(end, "w") as stream, contextlib.redirect_stdout(stream):
        say(" a gate\x1b[31m", mark=coloured("FAILED", "red"))
        told = os.read(terminal, 4096).decode()
    os.close(terminal)
    assert told.startswith("\x1b[1;31mFAILED\x1b[0m a gate" if shown else "FAILED a gate") and "\x1b[31m" not in told
    say(" a gate", mark=coloured("FAILED", "red"))
    assert capsys.readouterr().out == "FAILED a gate\n"


def test_a_failed_gate_lists_its_clips_and_what_comes_next_depends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    suite = write_suite(tmp_path, 3, gates=["success_rate <= 0"])
    out = tmp_path / "out"
    done = in_process("run", suite, "--out", out)
    lines = done.stdout.splitlines()
    place = next(index for index, line in enumerate(lines) if line.startswith("FAILED     success_rate <= 0"))
    heads = [line.split()[0] for line in lines[place + 1 : place + 4]]
    assert done.returncode == 1 and heads == ["worst:", "also:", "also:"] and "\x1b" not in done.stdout
    assert len({line.split()[1] for line in lines[place + 1 : place + 4]}) == 3
    assert (found := next_of(done.stdout))["command"] == "view" and out in found["paths"]
    suite.write_text(yaml.safe_dump({**yaml.safe_load(suite.read_text()), "gates": ["success_rate <= 1"]}))
    assert next_of(in_process("run", suite, "--out", out).stdout)["command"] == "bless"
    assert in_process("bless", out, "--yes").returncode == 0
    found = next_of(in_process("run", suite, "--out", out).stdout)
    assert (found["command"], found["baseline"]) == ("compare", Path("voiceattack-baseline.json"))
    assert "next:" not in in_process("run", suite, "--out", out, "--quiet").stdout


def test_an_attack_ends_with_the_page_and_says_first_what_else_is_there(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    write_clips(one, 1)
    write_clips(two, 1, first=5)
    out = tmp_path / "it's a run"
    done = in_process("attack", one, *QUICK, "--out", out)
    assert f"written: {out / 'report.md'}\nwritten: {out / 'report.html'}\n" in done.stdout and "not among" not in done.stdout
    assert (out / "report.html").is_file() and out in next_of(done.stdout)["paths"]
    assert other_clips(out, list(read_corpus([str(one)]))) == 0 == other_clips(tmp_path, [])
    done = in_process("attack", two, *QUICK, "--out", out, "--no-evaluate")
    assert done.stdout.startswith(f"note: {out} holds 1 clip that is not among the inputs; kept"), done.stdout
    assert (found := next_of(done.stdout))["command"] == "evaluate" and found["run"] == out
    assert next_of(in_process("evaluate", out).stdout)["format_"] == "html"
