"""How many cores a command computes on, and how its threads wait for each other; decided before torch is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping

__all__ = ["WAITING", "use_threads", "wait_passively"]

WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
"""Threads that sleep while they wait. The default of OpenMP is to spin, which on cores that others use too makes two threads
several times slower than one; ``benchmarks/threads.py`` measures it."""


def wait_passively(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let threads sleep while they wait, unless ``environment`` says already how they wait."""
    if not WAITING.keys() & environment.keys():
        environment.update(WAITING)


def use_threads(count: int, environment: MutableMapping[str, str] = os.environ) -> None:
    """Compute on ``count`` threads, >= 1, in this process and in those that it starts."""
    environment.update(OMP_NUM_THREADS=str(count), MKL_NUM_THREADS=str(count))
    if "torch" in sys.modules:  # its threads are counted already
        import torch

        torch.set_num_threads(count)
