"""One process at a time writes a run, a suite or an export: a lock on its directory, which says who holds it.

The lock is the operating system's on the file ``.lock`` in the directory, so that it ends with its process, also one that was
killed; the file itself says no more than who it is, and is removed with the lock. Whoever only reads takes no lock: files in a
run are whole at any moment. On a file system without locks, as some network ones are, nothing is locked.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import shlex
import socket
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from functools import wraps
from pathlib import Path
from time import sleep
from typing import ParamSpec, TypeVar

from voiceattack.errors import RunError
from voiceattack.files import ADVICE, create_or_open, is_at, open_regular, take_lock, writing

__all__ = ["LOCK_FILE", "Holder", "holder_of", "locked", "locking"]

LOCK_FILE = ".lock"
P = ParamSpec("P")
R = TypeVar("R")
ATTEMPTS = 5
MOST_BYTES = 4096
_held: dict[tuple[int, int], tuple[int, int]] = {}  # directory (device, inode): thread, times
_guard = threading.Lock()


@dataclass(frozen=True)
class Holder:
    """The process that writes a directory."""

    pid: int
    command: str
    since: str
    host: str

    @classmethod
    def here(cls) -> Holder:
        """This process."""
        command = shlex.join([os.path.basename(sys.argv[0] or "python"), *sys.argv[1:]])
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        return cls(os.getpid(), command if len(command) <= 200 else f"{command[:197]}...", now, socket.gethostname())

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since} ({self.command})"


@contextlib.contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Let this thread alone write ``folder``, which is made when missing; a thread that holds it may take it again.

    Raises:
        RunError: another process or thread writes it (the message says which), or the disk refuses.
    """
    folder = Path(folder)
    with writing(folder):
        made = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        found = folder.stat()
    key, thread = (found.st_dev, found.st_ino), threading.get_ident()
    with _guard:
        owner, times = _held.get(key, (thread, 0))
        if owner != thread:
            raise _taken(folder, Holder.here())
        _held[key] = (thread, times + 1)
    try:
        with contextlib.nullcontext() if times else _file_lock(folder):
            yield
    finally:
        with _guard:
            if times:
                _held[key] = (thread, times)
            else:
                del _held[key]
        with contextlib.suppress(OSError):
            for path in made:
                path.rmdir()  # only if nothing was written


def locking(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A function that writes the directory in its parameter ``name`` (a path, or a run) holds its lock while it runs."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @wraps(function)
        def alone(*args: P.args, **kwargs: P.kwargs) -> R:
            given = signature.bind(*args, **kwargs).arguments[name]
            with locked(getattr(given, "path", given)):
                return function(*args, **kwargs)

        return alone

    return decorate


@contextlib.contextmanager
def _file_lock(folder: Path) -> Iterator[None]:
    path = folder / LOCK_FILE
    with writing(folder, ADVICE):
        descriptor = _take(path)
    if descriptor is None:
        raise _taken(folder, _read(path))
    try:
        with writing(folder, ADVICE):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps(asdict(Holder.here())).encode("ascii"))
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()  # before the lock ends, so that it is not the next holder's that goes
        os.close(descriptor)


def _take(path: Path) -> int | None:
    """A descriptor that holds the lock; None when another process does."""
    for _ in range(ATTEMPTS):  # holder_of() takes it too, for a moment
        descriptor = create_or_open(path)
        if take_lock(descriptor) and is_at(descriptor, path):
            return descriptor
        os.close(descriptor)
        sleep(0.05)
    return None


def holder_of(folder: str | Path) -> Holder | None:
    """Who writes ``folder`` now; None when nobody does, or it cannot be told. Nothing is written and nothing waited for."""
    path = Path(folder) / LOCK_FILE
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return None
        with open_regular(path) as file:
            if take_lock(file.fileno()):
                return None  # left by a process that was killed
    except OSError:
        return None
    return _read(path)


def _read(path: Path) -> Holder:
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        with open_regular(path) as file:
            told = json.loads(file.read(MOST_BYTES))
        return Holder(int(told["pid"]), *(str(told[field.name]) for field in fields(Holder)[1:]))
    return Holder(0, "unknown command", "unknown time", "unknown host")


def _taken(folder: Path, holder: Holder) -> RunError:
    return RunError(f"{folder}: is being written by {holder}; wait until it has finished, stop it, or choose another folder")
