"""One recording inside a file: a range of its bytes, with a length filled in that its recorder never wrote."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

from typing_extensions import Buffer

__all__ = ["Part", "View", "at"]


@dataclass(frozen=True)
class Part:
    """One recording of a file, to be opened on its own.

    Attributes:
        start: its first byte in the file.
        end: the byte behind its last.
        patches: (place counted from ``start``, bytes that stand there instead).
        prefix: bytes before its first.
        notes: one line each for what a user should know of it.
        told: whether its header tells its length.
        frames: about how many samples a channel were counted in it, where its header does not tell; None: not counted.
        slack: so many fewer are none missing, as encoders and decoders count differently.
    """

    start: int
    end: int
    patches: tuple[tuple[int, bytes], ...] = ()
    notes: tuple[str, ...] = ()
    told: bool = True
    frames: int | None = None
    slack: int = 0
    prefix: bytes = b""

    @property
    def size(self) -> int:
        """Bytes to open."""
        return len(self.prefix) + self.end - self.start


def at(file: BinaryIO, offset: int, count: int) -> bytes:
    """Up to ``count`` bytes from ``place`` on."""
    file.seek(offset)
    return file.read(count)


class View(io.RawIOBase):
    """A part of an open file as a file of its own, to be read and sought in.

    Attributes:
        failed: why it could not be read; then it ends there, as nothing may be raised into libsndfile.
    """

    def __init__(self, file: BinaryIO, part: Part) -> None:
        self._file, self._part, self._place = file, part, 0
        self.failed: OSError | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._part.size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer: Buffer) -> int:
        target, part = memoryview(buffer).cast("B"), self._part
        data = bytearray(part.prefix[self._place : self._place + len(target)])
        offset = max(0, self._place - len(part.prefix))  # counted from the part's start
        try:
            data += at(self._file, part.start + offset, max(0, min(len(target) - len(data), part.end - part.start - offset)))
        except OSError as error:
            self.failed = error
            return 0
        for first, patch in part.patches:
            for i, byte in enumerate(patch, first + len(part.prefix) - self._place):
                if 0 <= i < len(data):
                    data[i] = byte
        target[: len(data)] = data
        self._place += len(data)
        return len(data)
