"""Named pipes and devices where a file is expected: a plain error at once, never a wait for a writer that does not come."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
import yaml
from speechlike import in_process, write_clips
from suite_fixture import basic

SECONDS = 60
ATTACK = ("--victim", "tiny", "--attack", "noise", "--snr-db", "10", "--no-evaluate")

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")


@contextlib.contextmanager
def no_hang(what: str) -> Iterator[None]:
    def late(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"{what}: still waiting after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    with no_hang(" ".join(map(str, arguments))):
        done = in_process(*arguments)
    assert "unexpected" not in done.stderr and "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture(params=["pipe", "device"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def put(path: Path, kind: str) -> Path:
    """A pipe, or a link to a device without end, at ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    return path


@pytest.mark.parametrize(
    "command", [("attack", *ATTACK), ("corruptions", "--victim", "tiny", "--names", "gaussian_noise", "--severities", "1")]
)
def test_one_costs_itself_and_not_the_run(tmp_path: Path, kind: str, command: tuple[str, ...]) -> None:
    (clip,) = write_clips(tmp_path / "in", 1)
    put(tmp_path / "in" / "zz.wav", kind)
    done = run(command[0], tmp_path / "in", "--out", tmp_path / "out", *command[1:])
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "out" / "examples.jsonl").read_text().splitlines()]
    errors = {line["source"]: line["error"] for line in lines if line["control_for"] is None}
    assert errors[clip] is None
    assert "no file" in errors[str(tmp_path / "in" / "zz.wav")], errors


def test_one_costs_itself_and_not_the_suite(tmp_path: Path, kind: str) -> None:
    write_clips(tmp_path / "in", 1)
    put(tmp_path / "in" / "zz.wav", kind)
    suite = tmp_path / "suite.yaml"
    suite.write_text(yaml.safe_dump(basic(["in"])))
    done = run("run", suite, "--out", tmp_path / "out")
    assert done.returncode == 0 and "zz.wav" in done.stderr and "no file" in done.stderr, done.stderr
    assert run("transcribe", tmp_path / "in", "--victim", "tiny").returncode == 0


@pytest.mark.parametrize("name", ["m.jsonl", "metadata.csv", "metadata.jsonl", "wav.scp", "cuts.jsonl", "cuts.jsonl.gz", "a.wav"])
def test_inputs(tmp_path: Path, kind: str, name: str) -> None:
    done = run("transcribe", put(tmp_path / name, kind), "--victim", "tiny")
    assert done.returncode == 2 and "voiceattack: error: " in done.stderr, done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "text {pipe} --victim tiny --perturbation typos --out {out}",
        "speak {pipe} --out {out}",
        "run {pipe} --out {out}",
        "attack {clip} --out {out} --victim tiny --attack noise --snr-db 10 --critical-terms {pipe}",
        "attack {clip} --out {out} --victim tiny --attack universal --artefact {pipe}",
        "corruptions {clip} --out {out} --victim tiny --names gaussian_noise --severities 1 --cache {folder}",
        "attack {clip} --out {out} --victim hf:{folder} --attack noise --snr-db 10",
        "attack {clip} --out {out} --victim ctranslate2:{folder} --attack noise --snr-db 10",
        "compare {pipe} {pipe}",
        "compare {folder} {folder}",
        "report {folder}",
        "evaluate {folder} --victim tiny",
        "export {folder} --out {out}",
        "listen {folder} --results",
        "init {folder} --out {out}/suite.yaml",
        "text word --perturbation squatting --param table={pipe} --out {out}",
    ],
)
def test_every_file_that_a_user_names(tmp_path: Path, kind: str, command: str) -> None:
    (clip,) = write_clips(tmp_path / "in", 1)
    pipe = put(tmp_path / "pipe.txt", kind)
    put(tmp_path / "pipe.json", kind)  # beside an artefact
    for name in ("run.json", "summary.json", "queries.sqlite", "config.json", "model.bin", "manifest.jsonl"):
        put(tmp_path / "folder" / name, kind)
    done = run(*command.format(pipe=pipe, clip=clip, folder=tmp_path / "folder", out=tmp_path / "out").split())
    assert done.returncode == 2, done


@pytest.mark.parametrize(
    "name", ["examples.jsonl", "results.jsonl", "summary.json", "run.json", "queries.sqlite", "audio/*.flac"]
)
def test_in_a_run(tmp_path: Path, name: str) -> None:
    (clip,) = write_clips(tmp_path / "in", 1)
    out = tmp_path / "out"
    assert run("attack", clip, "--out", out, *ATTACK[:-1], "--no-report").returncode == 0
    for path in list(out.glob(name)) or [out / name]:
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    copy = tmp_path / "copy"
    for command in (
        f"evaluate {copy} --victim tiny",
        f"report {copy} --format md,html,json,csv",
        f"export {copy} --out {tmp_path / 'corpus'}",
        f"listen {copy} --dry-run",
        f"compare {copy} {copy}",
        f"attack {clip} --out {copy} {' '.join(ATTACK)}",
    ):
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for path in sorted(out.rglob("*")):  # copytree would open the pipe
            target = copy / path.relative_to(out)
            if path.is_dir():
                target.mkdir()
            elif path.is_fifo():
                os.mkfifo(target)
            else:
                shutil.copyfile(path, target)
        run(*command.split())
