"""The command line as users run it: processes, output, exit codes."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from killing import read
from speechlike import ROOT, command, environment, in_process, voiceattack, write_clips

from voiceattack import __version__

QUICK = ("--victim", "tiny", "--steps", "4", "--param", "check_every=2", "--snr-db", "25")
Runner = Callable[..., "subprocess.CompletedProcess[str]"]
COMMANDS = (
    "demo",
    "attack",
    "evaluate",
    "report",
    "transcribe",
    "list",
    "replay",
    "doctor",
    "init",
    "run",
    "merge",
    "compare",
    "bless",
    "history",
)


LOADING = "voiceattack: loading tiny ...\n"
"""What a process of its own says first."""


def ok(*arguments: str | Path, run: Runner = in_process) -> str:
    """Stdout of a command that succeeds and says nothing on stderr but what it loads."""
    done = run(*arguments)
    assert (done.returncode, done.stderr.removeprefix(LOADING)) == (0, ""), done.stderr
    return done.stdout


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_help_names_every_command_and_is_fast() -> None:
    text = ok("--help", run=voiceattack)
    assert all(f" {name} " in text for name in COMMANDS)
    code = "import sys, voiceattack.cli; sys.exit(bool({'torch', 'transformers', 'foolbox', 'pydantic'} & set(sys.modules)))"
    loaded = subprocess.run([*command()[:1], "-c", code], env=environment(), check=False)
    assert loaded.returncode == 0, "voiceattack --help imports heavy modules"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    assert "Usage: voiceattack " + name in ok(name, "--help")


def test_version() -> None:
    assert ok("--version") == f"voiceattack {__version__}\n"


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("victims", {"whisper-tiny.en", "hf", "torchaudio", "pocketsphinx", "python", "tiny"}),
        ("attacks", {"noise", "fgsm", "pgd", "mi-fgsm", "cw"}),
        ("metrics", {"snr_db", "seg_snr_db", "linf", "pesq", "stoi"}),
        ("formats", {"md", "json", "csv"}),
    ],
)
def test_list(kind: str, names: set[str]) -> None:
    assert names <= {line.split()[0] for line in ok("list", kind).splitlines()}


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "in", 2)
    before = sorted(tmp_path.rglob("*"))
    text = ok("attack", *clips, *QUICK, "--dry-run", "--out", tmp_path / "run")
    assert "2 clips" in text and "at most 8 gradient steps" in text and "nothing was written" in text
    assert sorted(tmp_path.rglob("*")) == before


def test_attack_evaluates_and_reports_then_the_other_commands_work_on_the_run(tmp_path: Path) -> None:
    clips, run = write_clips(tmp_path / "in", 2), tmp_path / "run"
    outputs = ("-o", tmp_path / "out" / "table.csv", "-o", tmp_path / "report.md")
    text = ok("attack", *clips, *QUICK, "--out", run, *outputs, run=voiceattack)
    for path in (run / "audio", run / "report.md", run / "results.jsonl", tmp_path / "out" / "table.csv"):
        assert str(path) in text and path.exists(), path
    assert "pgd" in text and "noise" in text
    rows = read(run / "results.jsonl")
    assert len(rows) == 4 and {row["victim"] for row in rows} == {"tiny"}
    assert len(table(tmp_path / "out" / "table.csv")) >= 2

    assert ok("attack", *clips, *QUICK, "--out", run, "--quiet") == ""
    assert read(run / "results.jsonl") == rows, "evaluated again, the same results"

    assert "same: " in ok("replay", run, rows[0]["id"])
    missing = in_process("replay", run, "nobody")
    assert missing.returncode == 2 and "no example 'nobody'" in missing.stderr

    assert "tiny" in ok("evaluate", run, "--victim", "tiny")
    assert str(run / "report.md") in ok("report", run)
    assert "report.json" in ok("report", run, "--format", "json,csv")


def test_replay_that_differs_is_exit_1(tmp_path: Path) -> None:
    run = tmp_path / "run"
    ok("attack", *write_clips(tmp_path / "in", 1), *QUICK, "--out", run, "--no-control", "--no-evaluate")
    line = json.loads((run / "examples.jsonl").read_text())
    line["recipe"]["params"]["steps"] = 1
    (run / "examples.jsonl").write_text(json.dumps(line) + "\n")
    done = in_process("replay", run, line["id"])
    assert done.returncode == 1 and "different: " in done.stdout and done.stderr == ""


def test_the_default_limit_is_said(tmp_path: Path) -> None:
    clip = write_clips(tmp_path / "in", 1)[0]
    text = ok("attack", clip, "--victim", "tiny", "--steps", "2", "--no-evaluate", "--out", tmp_path / "run")
    assert "--snr-db 35" in text
    assert json.loads((tmp_path / "run" / "run.json").read_text())["request"]["budget"] == {"snr_db": 35.0}


def test_targeted_and_mute(tmp_path: Path) -> None:
    clip = write_clips(tmp_path / "in", 1)[0]
    for name, options in {"targeted": ("--target", "go"), "mute": ("--mute",)}.items():
        ok("attack", clip, *QUICK, *options, "--no-evaluate", "--out", tmp_path / name)
        assert json.loads((tmp_path / name / "run.json").read_text())["request"]["objective"] == name


def test_transcribe_prints_one_line_a_file_and_writes_any_format(tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "in", 2)
    for suffix in (".json", ".csv", ".txt"):
        text = ok("transcribe", *clips, "--victim", "tiny", "-o", tmp_path / f"heard{suffix}")
        assert [line.split("\t")[0] for line in text.splitlines()] == clips
    heard = [line.split("\t")[1] for line in text.splitlines()]
    assert [row["text"] for row in json.loads((tmp_path / "heard.json").read_text())] == heard
    assert [row["text"] for row in table(tmp_path / "heard.csv")] == heard
    assert (tmp_path / "heard.txt").read_text().splitlines() == heard
    assert in_process("transcribe", *clips, "-o", "heard.xls").returncode == 2


def test_an_unexpected_error_is_one_line_and_debug_shows_the_traceback(tmp_path: Path) -> None:
    (tmp_path / "broken_victim.py").write_text(
        "def factory():\n    def hear(w, r):\n        raise LookupError('lost')\n    return hear\n"
    )
    clip = write_clips(tmp_path / "in", 1)[0]
    arguments = ("attack", clip, "--victim", "python:broken_victim:factory", "--attack", "noise", "--snr-db", "30", "--out")
    plain = voiceattack(*arguments, tmp_path / "a", paths=(tmp_path,))
    assert plain.returncode == 2 and "lost" in plain.stderr and "Traceback" not in plain.stderr
    assert len(plain.stderr.splitlines()) == 3
    assert plain.stderr.startswith("voiceattack: loading python:broken_victim:factory ...\n")
    debug = voiceattack("--debug", *arguments, tmp_path / "b", paths=(tmp_path,))
    assert debug.returncode == 2 and "Traceback" in debug.stderr and "LookupError" in debug.stderr


def test_interrupted_it_says_how_to_go_on(tmp_path: Path) -> None:
    clips, run = write_clips(tmp_path / "in", 4), tmp_path / "run"
    arguments = command(
        "attack", *clips, "--victim", "tiny", "--steps", "5000", "--param", "stop_at=99", "--out", run, "--snr-db", "25"
    )
    process = subprocess.Popen(
        arguments,
        env=environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        # A test run started in the background by a shell ignores interrupts, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not list(run.glob("clean/*.flac")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr == LOADING + "voiceattack: error: interrupted; finished examples are kept, resume with the same command\n"


def test_a_closed_pipe_is_no_error() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(command("list", "victims"), env=environment(), stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait(60) in (0, 1)


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / "samples" / "manifest.jsonl").exists(), reason="no samples/ here: run scripts/make_samples.py")
def test_demo_ends_with_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one clip and few steps; that the target is reached is proved in ``test_end_to_end.py``."""
    for name, value in (("CLIPS", 1), ("TARGETED_STEPS", 2)):
        monkeypatch.setattr(f"voiceattack.cli.demo.{name}", value)
    text = ok("demo", "--steps", "1", "--out", tmp_path / "demo")
    for words in ("clean", "noise", "pgd", "unlock the front door", "SNR dB", "WER", ".flac"):
        assert words in text


def test_the_list_says_which_victims_take_a_prompt() -> None:
    from voiceattack.errors import MissingExtraError
    from voiceattack.victims import VICTIMS, load_victim
    from voiceattack.victims.whisper.prompted import takes_prompt

    told = ok("list", "victims")
    for spec in ("whisper-tiny.en", "tiny", "faster-whisper:whisper-tiny.en", "ctranslate2:whisper-tiny.en", "pocketsphinx"):
        try:
            victim = load_victim(spec, device="cpu")
        except MissingExtraError:
            continue
        name = spec.partition(":")[0]
        assert f"{name} " in told
        assert takes_prompt(victim) == ("takes a prompt" in VICTIMS.entry(name).summary), spec
