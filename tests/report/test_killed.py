"""A report whose process is killed, or whose disk is full, leaves what was there or a whole one, never half."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from fuzzing import PROFILE
from limits import file_size_limit
from speechlike import command, environment, in_process, write_clips
from suite_fixture import run as run_suite
from suite_fixture import write_suite

CLIPS = 6


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, and the same with its page."""
    folder = tmp_path_factory.mktemp("finished")
    clips = write_clips(folder / "in", CLIPS)
    arguments = ("--victim", "tiny", "--attack", "noise", "--snr-db", "10", "--no-report")
    assert in_process("attack", *clips, "--out", folder / "before" / "run", *arguments).returncode == 0
    shutil.copytree(folder / "before", folder / "after")
    assert in_process("report", folder / "after" / "run", "--format", "html").returncode == 0
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def killed(run: Path, moment: float) -> bool:
    """Kill the report at ``moment``: a share of its CLIPS + 1 files, and so much of the way to the next."""
    process = subprocess.Popen(command("report", run, "--format", "html"), env=environment(), stdout=subprocess.DEVNULL)
    files = int(moment * (CLIPS + 1))
    while process.poll() is None and len(list((run / "report_files").glob(".*.part" if files == 0 else "*.js"))) < max(1, files):
        time.sleep(0.0005)
    time.sleep((moment * (CLIPS + 1) - files) * 0.05)
    with_effect = process.poll() is None
    process.kill()
    process.wait()
    return with_effect


def check(finished: Path, work: Path, times: int) -> int:
    whole = content(finished / "after" / "run")
    rng = random.Random(12)
    run, effects = work / "run", 0
    shutil.copytree(finished / "before" / "run", run)
    for _ in range(times):
        effects += killed(run, rng.random())
        for name, data in content(run).items():
            if not name.endswith(".part"):
                assert data == whole[name], f"{name} is torn"
    assert in_process("report", run, "--format", "html").returncode == 0
    assert content(run) == whole
    return effects


def test_a_killed_report_is_not_torn(finished: Path, tmp_path: Path) -> None:
    """Killed three times; by ``make fuzz`` thirty times."""
    effects = check(finished, tmp_path, 30 if PROFILE == "fuzz" else 3)
    print(f"{effects} kills met a living process")


def test_a_suite_writes_a_torn_report_anew(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, count=1, reports=["html"])
    assert run_suite(suite)[0] == 0
    (page,) = (tmp_path / "out" / "cells").glob("*/report.html")
    whole = page.read_bytes()
    page.write_bytes(b"")
    assert run_suite(suite)[0] == 0
    assert page.read_bytes() == whole


@pytest.mark.parametrize(
    "line",
    [
        "report {run} --format html",
        "report {run} --format md",
        "report {run} --format json",
        "report {run} --format csv",
        "report {run} -o {folder}/page.html -o {folder}/page.md",
        "curve {run}",
        "transcribe {clip} --victim tiny -o {folder}/heard.json",
        "compare {run} {run} -o {folder}/differences.md",
        "bless {run} --baseline {folder}/baseline.json",
        "listen {run} --csv {folder}/answers.csv",
        "export {run} --out {folder}/corpus",
        "init {clip} --out {folder}/suite.yaml",
    ],
)
def test_a_full_disk_leaves_no_half_file(finished: Path, tmp_path: Path, line: str) -> None:
    run, folder = tmp_path / "run", tmp_path / "folder"
    shutil.copytree(finished / "after" / "run", run)
    folder.mkdir()
    before = content(run)
    with file_size_limit(32):
        done = in_process(*line.format(run=run, folder=folder, clip=finished / "in" / "clip0.wav").split())
    assert done.returncode == 2 and "cannot be written (File too large); " in done.stderr, done.stderr
    assert content(run) == before and content(folder) == {}
