"""The benchmarks run; what they measure is not asserted."""

from __future__ import annotations

import subprocess
import sys

from speechlike import ROOT, environment


def test_step_overhead_runs() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "step_overhead.py"), "--victim", "tiny", "--steps", "5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith(("| pgd", "| mi-fgsm", "| cw"))]
    assert len(rows) == 6 and all(float(row.split("**")[1]) > 0 for row in rows)


def test_time_to_target_runs() -> None:
    script = str(ROOT / "benchmarks" / "time_to_target.py")
    arguments = ["--victim", "tiny", "--steps", "10", "--clips", "1", "--target", "a b", "--snr-db", "10"]
    done = subprocess.run(
        [sys.executable, script, *arguments], capture_output=True, text=True, timeout=300, env=environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    assert "| command-01 |" in done.stdout and "times fewer seconds" in done.stdout
