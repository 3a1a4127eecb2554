"""Programs that this one starts, none of which outlives what it was started for, and how SIGTERM and Ctrl-C end them with us."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence

__all__ = ["child", "held", "terminable"]

_holding = False
_came = False


@contextlib.contextmanager
def child(words: Sequence[str], *, stdin: int, stdout: int, stderr: int) -> Iterator[subprocess.Popen[bytes]]:
    """A program in a process group of its own, which is killed whole when the block is left, however that is.

    Raises:
        OSError, ValueError: it cannot be started.
    """
    process: subprocess.Popen[bytes] | None = None
    try:
        with held():  # interrupted between its start and the next line, nobody would know whom to kill
            process = subprocess.Popen(words, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True)
        yield process
    finally:
        if process is not None:
            _end_group(process)


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM (``kill``, ``docker stop``, the end of a CI job) raises KeyboardInterrupt in the block, as Ctrl-C does."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    # Python lets the main thread alone decide; and who started us may have had a signal ignored.
    ours = [number for number in numbers if before[number] in (signal.SIG_DFL, signal.default_int_handler)]
    if threading.current_thread() is not threading.main_thread():
        ours = []
    for number in ours:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])


def _interrupt(number: int, frame: object) -> None:
    global _came
    if not _holding:
        raise KeyboardInterrupt
    _came = True


@contextlib.contextmanager
def held() -> Iterator[None]:
    """An interruption that comes in the block is raised at its end: for native code that calls Python back, which would lose it.

    Of the main thread: others are never interrupted. One such block is not inside another.
    """
    global _holding, _came
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _holding, _came = True, False
    try:
        yield
    finally:
        _holding = False
    if _came:
        raise KeyboardInterrupt


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """The process and its group, at once; both may be gone. Pipes that nobody read to their end are closed."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):  # what was left to write has no reader
                pipe.close()
