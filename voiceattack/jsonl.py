"""Lines of JSON that are on the disk when a call returns, and never half a line after kill -9."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["append_line", "whole_lines"]


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
