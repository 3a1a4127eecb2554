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
