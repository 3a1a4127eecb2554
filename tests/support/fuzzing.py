"""What the fuzz tests share: how many examples and of which seed, one command line run in-process, and what must hold of it."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, seed, settings

from voiceattack.cli import main

EXAMPLES = os.environ.get("VOICEATTACK_FUZZ_EXAMPLES")
SEED = os.environ.get("VOICEATTACK_FUZZ_SEED")
PROFILE = "quick" if EXAMPLES is None and SEED is None else "fuzz"
HANG_SECONDS = 60

_COMMON = settings(deadline=None, database=None, print_blob=True, suppress_health_check=list(HealthCheck))
settings.register_profile("quick", _COMMON, max_examples=20, derandomize=True)
settings.register_profile("fuzz", _COMMON, max_examples=int(EXAMPLES or 500))

Test = TypeVar("Test", bound=Callable[..., object])


def fuzzed(test: Test) -> Test:
    """Put above ``@given``: the profile's count, and the seed that was asked for (``quick`` has one of its own for each test)."""
    chosen: Test = settings(settings.get_profile(PROFILE))(test)
    if PROFILE == "fuzz":
        chosen = seed(int(SEED or 1))(chosen)
    marked: Test = pytest.mark.timeout(0)(chosen)  # no_hang watches each example; there may be many
    return marked


@dataclass(frozen=True)
class Told:
    """What one command line did: its exit code and what it printed."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str


def run(*argv: object) -> Told:
    """``voiceattack ARGV`` in this process; fails when it takes longer than :data:`HANG_SECONDS`."""
    words = tuple(map(str, argv))
    out, err = io.StringIO(), io.StringIO()
    with no_hang(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return Told(words, code, out.getvalue(), err.getvalue())


def answered(*argv: object, codes: Sequence[int] = (0, 1, 2)) -> Told:
    """:func:`run`, and what holds of every answer: an exit code of ours, no traceback, nothing "unexpected", no stray line."""
    told = run(*argv)
    assert told.code in codes, told
    for text in (told.out, told.err):
        assert "Traceback" not in text, told
        assert "error: unexpected" not in text, told  # a library may use the word
        assert "report it" not in text, told
    if told.code == 2:
        assert told.err.strip(), told
    return told


@contextlib.contextmanager
def no_hang(seconds: float = HANG_SECONDS) -> Iterator[None]:
    """Fail what takes longer; pytest-timeout's own alarm, where there is one, is set again afterwards."""

    def late(number: int, frame: FrameType | None) -> None:
        # On a machine that others use too, seconds pass without any work: those count a tenth.
        if time.process_time() - worked < seconds / 2 and time.monotonic() - begun < 10 * seconds:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            return
        raise AssertionError(f"took longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    begun, worked = time.monotonic(), time.process_time()
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, max(0.01, left - (time.monotonic() - begun)) if left else 0)


@contextlib.contextmanager
def untouched(*folders: Path) -> Iterator[None]:
    """Fail when a file under one of ``folders`` appears, disappears or changes."""
    before = [_state(folder) for folder in folders]
    yield
    assert [_state(folder) for folder in folders] == before


def _state(folder: Path) -> dict[str, object]:
    state: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        state[str(path)] = (status.st_mode, status.st_size, status.st_mtime_ns)
    return state
