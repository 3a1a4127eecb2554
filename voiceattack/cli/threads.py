"""How many cores a command computes on, and how its threads wait for each other; decided before torch is imported."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import MutableMapping
from pathlib import Path

from voiceattack.files import read_text

__all__ = ["WAITING", "keep_to_quota", "use_threads", "wait_passively"]

WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
"""Threads that sleep while they wait. The default of OpenMP is to spin, which on cores that others use too makes two threads
several times slower than one; ``benchmarks/threads.py`` measures it."""


def wait_passively(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let threads sleep while they wait, unless ``environment`` says already how they wait."""
    if not WAITING.keys() & environment.keys():
        environment.update(WAITING)


def keep_to_quota(environment: MutableMapping[str, str] = os.environ, groups: Path = Path("/sys/fs/cgroup")) -> None:
    """One thread a core that a container may use, where its limit of processor time is less than the cores that it sees.

    Unless ``environment`` says already how many. OpenMP counts what is seen: 64 threads for the time of two.
    """
    if "OMP_NUM_THREADS" not in environment and (quota := _quota(groups)) is not None and quota < (os.cpu_count() or 1):
        environment["OMP_NUM_THREADS"] = str(math.ceil(quota))


def _quota(groups: Path) -> float | None:
    """Cores' worth of processor time, > 0, of version 2 of control groups or of version 1; None without a limit."""
    for quota, *period in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):
        try:
            most, per = [float(word) for name in (quota, *period) for word in read_text(groups / name).split()]
        except (OSError, ValueError):  # no such file, or "max"
            continue
        if most > 0 and per > 0:
            return most / per
    return None


def use_threads(count: int, environment: MutableMapping[str, str] = os.environ) -> None:
    """Compute on ``count`` threads, >= 1, in this process and in those that it starts."""
    environment.update(OMP_NUM_THREADS=str(count), MKL_NUM_THREADS=str(count))
    if "torch" in sys.modules:  # its threads are counted already
        import torch

        torch.set_num_threads(count)
