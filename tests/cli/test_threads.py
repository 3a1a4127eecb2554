"""--threads, and how threads wait for each other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from speechlike import environment, in_process, write_clips

from voiceattack.cli.threads import WAITING, keep_to_quota, wait_passively

TOLD = """
import os
from voiceattack.cli import main
code = main()
import torch
print(torch.get_num_threads(), *(os.environ.get(name) for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")))
"""
OWN = (*WAITING, "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def ran(code: str, *arguments: str, **variables: str) -> str:
    """Stdout of code in a process of its own, whose environment says of threads what ``variables`` do."""
    kept = {name: value for name, value in environment().items() if name not in OWN}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=kept | variables, check=True).stdout


def test_threads_are_counted_and_wait_asleep(tmp_path: Path) -> None:
    command = ("transcribe", write_clips(tmp_path, 1)[0], "--victim", "tiny")
    assert ran(TOLD, *command, "--threads", "1").splitlines()[-1] == "1 PASSIVE 0 0"
    chosen = ran(TOLD, *command, OMP_NUM_THREADS="1", OMP_WAIT_POLICY="ACTIVE")
    assert chosen.splitlines()[-1] == "1 ACTIVE None None", "what the user's environment says holds"


def test_the_library_leaves_threads_alone() -> None:
    told = "import os, voiceattack.testing, voiceattack.pytest_plugin; print([name for name in os.environ if name in {}])"
    assert ran(told.format(OWN)) == "[]\n"


def test_every_command_that_loads_victims_takes_threads() -> None:
    for command in ("attack", "transcribe", "evaluate", "run", "corruptions", "demo", "text", "fit", "replay", "wakeword-sweep"):
        assert "--threads" in in_process(command, "--help").stdout, command
    assert "--threads" not in in_process("report", "--help").stdout
    for count in ("0", "many"):
        done = in_process("transcribe", "a.wav", "--threads", count)
        assert done.returncode == 2 and "--threads" in done.stderr, done.stderr


def test_a_container_computes_on_no_more_cores_than_it_may_use(tmp_path: Path) -> None:
    def threads(**environment: str) -> str | None:
        keep_to_quota(environment, tmp_path)
        return environment.get("OMP_NUM_THREADS")

    assert threads() is None, "no control groups"
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    for version_1, told in (("-1", None), ("50000", "1")):
        (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(f"{version_1}\n")
        assert threads() == told
    many = (os.cpu_count() or 1) * 200_000
    for version_2, told in (("max 100000", "1"), ("90000 100000", "1"), (f"{many} 100000", None)):
        (tmp_path / "cpu.max").write_text(f"{version_2}\n")
        assert threads() == told
    (tmp_path / "cpu.max").write_text("90000 100000\n")
    assert threads(OMP_NUM_THREADS="7") == "7"


def test_an_environment_that_says_how_to_wait_is_left_alone() -> None:
    surroundings = {"GOMP_SPINCOUNT": "7"}
    wait_passively(surroundings)
    assert surroundings == {"GOMP_SPINCOUNT": "7"}
    empty: dict[str, str] = {}
    wait_passively(empty)
    assert empty == WAITING
