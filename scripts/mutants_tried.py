"""Tests run on changed copies of the tree, each trial a fork of this process (POSIX only)."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path

__all__ = ["Ended", "Trial", "try_all"]

QUIETLY = ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # of pytest's plug-ins among what is imported before the forks
OPTIONS = ("-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "-p", "no:xdist", *QUIETLY)


@dataclass(frozen=True)
class Trial:
    """Tests to run on a copy of the tree in which ``path`` reads ``code``; with an empty path on the tree as it is."""

    path: str
    code: str
    tests: tuple[str, ...]
    limit: float


@dataclass(frozen=True)
class Ended:
    """What became of a trial: its index, pytest's exit code (None when time was up) and what it wrote."""

    index: int
    code: int | None
    seconds: float
    log: str


def _copy(root: Path, to: Path) -> Path:
    """What git knows of the tree, and what it would add."""
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "-coz", "--exclude-standard"], capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (root / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, to / name)
    return to


def _test(tree: Path, tests: Sequence[str]) -> None:
    """In a process of its own: pytest on the tree, its exit code as this process's."""
    os.setsid()  # so that what tests start ends with them when time is up
    os.chdir(tree)
    log = os.open(tree.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.path.insert(0, str(tree))
    os.environ["PYTHONPATH"] = str(tree)
    sys.dont_write_bytecode = False
    import pytest

    os._exit(int(pytest.main([*OPTIONS, f"--basetemp={tree.with_suffix('.tmp')}", *tests])))


def _start(trial: Trial, tree: Path) -> multiprocessing.process.BaseProcess:
    if trial.path:
        (tree / trial.path).write_text(trial.code, encoding="utf-8")
    process = multiprocessing.get_context("fork").Process(target=_test, args=(tree, trial.tests))
    process.start()
    return process


def _restore(trial: Trial, root: Path, tree: Path) -> None:
    if trial.path:
        shutil.copy2(root / trial.path, tree / trial.path)
        for stale in (tree / trial.path).parent.glob(f"__pycache__/{Path(trial.path).stem}.*"):
            stale.unlink()  # two mutants in one second may be of one size, which is all that Python looks at


def try_all(trials: Iterable[Trial], root: Path, jobs: int) -> Iterator[Ended]:
    """Run each trial, ``jobs`` at a time; they come as they end."""
    with tempfile.TemporaryDirectory() as folder:
        free = [_copy(root, Path(folder) / f"tree{number}") for number in range(jobs)]
        waiting = deque(enumerate(trials))
        running: dict[int, tuple[int, Trial, Path, multiprocessing.process.BaseProcess, float]] = {}
        while waiting or running:
            while waiting and free:
                index, trial = waiting.popleft()
                tree = free.pop()
                process = _start(trial, tree)
                running[process.sentinel] = (index, trial, tree, process, time.monotonic())
            ended = connection.wait(list(running), timeout=1.0)
            for sentinel, (index, trial, tree, process, began) in list(running.items()):
                seconds = time.monotonic() - began
                late = sentinel not in ended and seconds > trial.limit
                if late:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(int(process.pid or 0), signal.SIGKILL)
                if late or sentinel in ended:
                    process.join()
                    _restore(trial, root, tree)
                    free.append(tree)
                    del running[sentinel]
                    log = tree.with_suffix(".log").read_text(encoding="utf-8", errors="replace")
                    yield Ended(index, None if late else process.exitcode, seconds, log)
