"""Native code that may end its process, called in a process of its own, which is kept for the next call."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from torch import Tensor

__all__ = ["Died", "Refused", "call", "let_go"]

PROGRAM = Path(__file__).with_name("_apart.py")
TIMEOUT_SECONDS = 900.0


class Refused(Exception):
    """The function raised an exception; the message is that one's reason."""


class Died(Exception):
    """The process died, or gave no answer in time; the message says how."""


class _Process:
    def __init__(self) -> None:
        # Isolated: nothing in the folder that the user happens to be in is imported. A session of its own: Ctrl-C is not for it.
        self.process = subprocess.Popen(
            [sys.executable, "-I", str(PROGRAM), *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def ask(self, module: str, function: str, arguments: tuple[Any, ...], seconds: float) -> dict[str, Any]:
        """The answer; raises Died when there is none."""
        assert self.process.stdin is not None and self.process.stdout is not None
        told = [{"samples": each.numel()} if isinstance(each, Tensor) else each for each in arguments]
        watch = threading.Timer(seconds, self.process.kill)
        watch.daemon = True
        watch.start()
        try:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.write(json.dumps({"module": module, "function": function, "arguments": told}).encode() + b"\n")
                for each in arguments:
                    if isinstance(each, Tensor):
                        self.process.stdin.write(each.detach().cpu().float().contiguous().numpy().tobytes())
                self.process.stdin.flush()
            line = self.process.stdout.readline()
        finally:
            late = not watch.is_alive()
            watch.cancel()
        if not line.endswith(b"\n"):
            raise Died(f"no answer in {seconds:g} s" if late else _ended(self.process.wait()))
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        """Let it go; its standard input's end is its own."""
        with contextlib.suppress(OSError):
            self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what it never read cannot be flushed
                    pipe.close()
        self.process.wait()


_lock = threading.Lock()
_kept: _Process | None = None


def call(module: str, function: str, *arguments: Any, seconds: float = TIMEOUT_SECONDS, fresh: bool = False) -> float:
    """``module.function(*arguments)`` as a number, in the other process.

    Args:
        module, function: names; the module is imported there.
        arguments: numbers and texts, and tensors, which arrive as NumPy arrays float32.
        seconds: that it may take, its start included.
        fresh: whether the process is let go afterwards, because the call may have left its memory damaged.

    Raises:
        Refused: the function raised.
        Died: the process did not outlive the call. The next call starts another.
    """
    global _kept
    with _lock:
        if _kept is not None and _kept.process.poll() is not None:
            let_go()  # somebody ended it meanwhile: that says nothing about this call
        process = _kept = _kept or _Process()
        try:
            answer = process.ask(module, function, arguments, seconds)
        except BaseException:  # an interruption too: its answer would be taken for the next call's
            let_go()
            raise
        if fresh:
            let_go()
    if "error" in answer:
        raise Refused(answer["reason"])
    return float(answer["value"])


def let_go() -> None:
    """End the other process, if there is one."""
    global _kept
    process, _kept = _kept, None
    if process is not None:
        process.end()


def _forget() -> None:
    """In a fork: the process is the parent's, and two that ask it would get each other's answers."""
    global _kept, _lock
    _kept, _lock = None, threading.Lock()


atexit.register(let_go)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _ended(code: int) -> str:
    if code >= 0:
        return f"it ended with exit code {code}"
    try:
        return f"it was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"it was ended by signal {-code}"
