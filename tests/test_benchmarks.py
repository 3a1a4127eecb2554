"""The benchmarks run; how fast anything is, is not asserted."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from speechlike import ROOT, environment


def benchmark(script: str, *arguments: str | Path) -> str:
    command = [sys.executable, str(ROOT / "benchmarks" / script), "--victim", "tiny", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def cells(output: str, *first: str) -> list[list[str]]:
    """The cells of the table rows whose first cell starts with one of ``first``."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in output.splitlines() if line.startswith("| ")]
    return [row for row in rows if row[0].startswith(first)]


def installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def test_step_overhead_runs() -> None:
    rows = cells(benchmark("step_overhead.py", "--steps", "5"), "pgd", "mi-fgsm", "cw")
    assert len(rows) == 6 and all(float(row[4].strip("*")) > 0 for row in rows)


def test_threads_are_timed_and_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """One setting in a process of its own; all of them, idle and busy, take a minute."""
    took = json.loads(benchmark("threads.py", "--once", "--clips", "1", "--steps", "1"))
    assert all(took[load][work] > 0 for load in ("idle", "busy") for work in ("hearing", "steps"))
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    threads = importlib.import_module("threads")
    keys = [(one, load, work) for one in threads.settings() for load in threads.LOADS for work in threads.WORK]
    found = {key: 2.0 + 5.0 * (key[1] == "busy" and not key[0].asleep) for key in keys}
    rows = cells(threads.table(found, "tiny", 1, 1), "1 ", f"{len(os.sched_getaffinity(0))} ")
    assert [row[5] for row in rows] == ["**1.00**", "**3.50**"] * (len(rows) // 2)
    assert sum("(default)" in row[0] for row in rows) == 1


def test_time_to_target_stops_both_at_success_and_lists_what_is_not_reached() -> None:
    arguments = ("--clips", "2", "--steps", "120", "--target", "on")
    loud = benchmark("time_to_target.py", *arguments, "--snr-db", "0")
    reached = cells(loud, "command-02")[0]
    assert 0 < int(reached[2]) < 120 and 0 < int(reached[5]) < 120, loud
    quiet = benchmark("time_to_target.py", *arguments, "--snr-db", "70", "--attack", "pgd")
    rows = cells(quiet, "command-")
    assert len(rows) == 2 and all(row[2] == row[5] == "120 (not reached)" for row in rows), quiet
    assert "Not reached by pgd: command-01.flac, command-02.flac." in quiet


ART = "adversarial-robustness-toolbox"


@pytest.mark.skipif(not installed(ART), reason=f"{ART} is not installed; `make bench` fetches it by itself")
def test_versus_art_runs() -> None:
    output = benchmark("versus_art.py", "--clips", "2", "--steps", "5")
    rows = cells(output, "clean", "Gaussian", "adversarial-robustness-toolbox", "voiceattack pgd")
    assert len(rows) == 5, output
    assert all(float(row[3]) > 39.9 and 0.1 < float(row[4]) <= 1.01 for row in rows[1:]), output
    assert float(rows[1][4]) > 0.99, "the control is as loud as the budget allows"


@pytest.mark.slow
@pytest.mark.skipif(not installed("textattack"), reason="textattack is not installed; `make bench` fetches it by itself")
def test_versus_textattack_runs() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "versus_textattack.py"), "--clips", "1", "--steps", "60"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    rows = cells(done.stdout, "textattack", "voiceattack")
    assert len(rows) == 6 and all(" of 1" in row[1] for row in rows), done.stdout
    assert all(row[3] == "-" or float(row[3]) >= 0.8 for row in rows if "similarity" in row[0]), "the constraint holds"


def test_one_section_is_measured_again_alone(tmp_path: Path) -> None:
    report = tmp_path / "benchmarks.md"
    kept = "<!-- begin: versus_art -->\n## kept\n\nfigures\n<!-- end: versus_art -->\n"
    report.write_text(f"# Benchmarks\n\n<!-- begin: time_to_target -->\nold\n<!-- end: time_to_target -->\n\n{kept}")
    only = ("--only", "time_to_target", "--clips", "1", "--steps", "1", "--out", report)
    output = benchmark("run.py", *only)
    written = report.read_text()
    assert kept in written and "old" not in written
    assert written.index("begin: time_to_target") < written.index("begin: versus_art")
    assert "Measured with voiceattack" in output and output.strip() in written
