"""Files that are written whole or not at all, lines that are on the disk when a call returns, and the one error of a disk."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import soundfile

from voiceattack.errors import RunError

__all__ = ["append_line", "one_line", "whole_lines", "write_whole", "writing"]


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: first beside ``path``, under a name that a later attempt reuses, then renamed over it.

    Raises:
        OSError: the disk refuses; nothing is left behind and what was there before stays.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with open(part, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


@contextlib.contextmanager
def writing(path: Path, advice: str = "free some space, check permissions, or choose another place") -> Iterator[None]:
    """Turn what a full, read-only or otherwise unwilling disk raises into the one error that says so.

    Args:
        path: what is being written, for the message.
        advice: what its user can do.

    Raises:
        RunError: the block raised OSError.
    """
    try:
        yield
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({one_line(error)}); {advice}") from error


def one_line(error: BaseException) -> str:
    """The reason alone: no path, no line breaks."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, soundfile.LibsndfileError):
        return " ".join(str(error.error_string).split()).rstrip(".")
    return " ".join(str(error).split()) or type(error).__name__


def append_line(file: Path, line: bytes, is_whole: Callable[[bytes], bool]) -> None:
    """Add ``line`` (without its line feed) to ``file``; on return it is on the disk.

    Args:
        file: made when missing; a last line that a killed run tore is cut off first.
        line: one line.
        is_whole: whether a last line without a line feed is a whole one all the same.

    Raises:
        OSError: the disk refuses; the lines already there stay whole.
    """
    _mend(file, is_whole)
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        before = os.fstat(descriptor).st_size
        try:
            rest = memoryview(line + b"\n")
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        except BaseException:
            os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)


def whole_lines(file: Path, is_whole: Callable[[bytes], bool]) -> list[bytes]:
    """The lines of ``file``, none when it is missing; a torn last line is left out. Raises OSError when it cannot be read."""
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return []
    *lines, last = data.split(b"\n")
    return [*lines, last] if is_whole(last) else lines


def _mend(file: Path, is_whole: Callable[[bytes], bool]) -> None:
    if not file.exists():
        return
    with open(file, "rb+") as handle:
        end = handle.seek(0, os.SEEK_END)
        if end == 0 or (handle.seek(end - 1), handle.read(1))[1] == b"\n":
            return
        handle.seek(0)
        data = handle.read()
        start = data.rfind(b"\n") + 1
        if is_whole(data[start:]):
            handle.write(b"\n")
        else:
            handle.truncate(start)
        handle.flush()
        os.fsync(handle.fileno())
