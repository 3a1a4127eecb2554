"""MPEG audio (MP3, MP2) frame by frame: how long it is where no index tells, and where another recording begins."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from voiceattack.audio.view import Part, at

__all__ = ["id3_length", "mpeg_parts"]

RESYNC_BYTES = 1 << 16
"""So far past a damaged frame the next one is looked for."""

SLACK_SECONDS = 0.1
"""An index may count so much less than there is: encoders disagree on whether the frame that holds it counts."""

_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_KBPS = {
    # By (is MPEG 1, layer bits): layer bits are 3 for I, 2 for II, 1 for III.
    (True, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 1): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


@dataclass(frozen=True)
class _Frame:
    """One frame's header: what all frames of a recording share, its bit rate, bytes, samples, and where an index would stand."""

    kind: tuple[int, int, int, bool]
    kbps: int
    size: int
    samples: int
    index_at: int

    @property
    def rate(self) -> int:
        return self.kind[2]


def _frame(head: bytes) -> _Frame | None:
    if len(head) < 4 or head[0] != 0xFF or head[1] < 0xE0:
        return None
    version, layer, unprotected = head[1] >> 3 & 3, head[1] >> 1 & 3, head[1] & 1
    kbps, rate, padding, mono = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1, head[3] >> 6 == 3
    if version == 1 or layer == 0 or rate == 3 or kbps in (0, 15):
        return None
    first, hz = version == 3, _RATES[version][rate]
    bits = 1000 * _KBPS[first, layer][kbps - 1]
    if layer == 3:
        samples, size = 384, (12 * bits // hz + padding) * 4
    else:
        samples = 576 if layer == 1 and not first else 1152
        size = samples // 8 * bits // hz + padding
    side = (17 if mono else 32) if first else (9 if mono else 17)
    return _Frame((version, layer, hz, mono), bits // 1000, size, samples, 4 + side + (0 if unprotected else 2))


def _index(file: BinaryIO, place: int, frame: _Frame) -> int | None:
    """The number of frames that an index in this frame tells, 0 when it tells none; None when it is an ordinary frame."""
    for offset, names, behind in ((frame.index_at, (b"Xing", b"Info"), 8), (36, (b"VBRI",), 14)):
        found = at(file, place + offset, behind + 4)
        if found[:4] in names:
            told = names[0] == b"VBRI" or bool(found[7:8] and found[7] & 1)
            return int.from_bytes(found[behind:], "big") if told else 0
    return None


def _index_frame(header: bytes, count: int) -> bytes:
    """A silent frame of the kind of ``header`` that tells how many frames follow; nothing where the layer has no index."""
    if header[1] >> 1 & 3 != 1:
        return b""
    begun = bytes([header[0], header[1] | 1, 0x90 | header[2] & 0x0C, header[3]])  # 128 or 80 kbit/s, without a checksum
    frame = _frame(begun)
    assert frame is not None  # its kind is that of a frame that was read
    return (begun.ljust(frame.index_at, b"\0") + b"Info" + struct.pack(">II", 1, count)).ljust(frame.size, b"\0")


@dataclass
class _Recording:
    """What was seen of one recording so far."""

    start: int
    kind: tuple[int, int, int, bool] | None = None
    promised: int = 0
    count: int = 0
    samples: int = 0
    bit_rates: set[int] = field(default_factory=set)
    header: bytes = b""
    beyond: int | None = None

    def add(self, offset: int, frame: _Frame, header: bytes) -> None:
        if self.promised and self.count == self.promised:
            self.beyond = offset
        self.count += 1
        self.header = self.header or header
        self.samples = frame.samples
        self.bit_rates.add(frame.kbps)

    def parts(self, end: int, *, cut: bool = False, whole: bool = False) -> Iterator[Part]:
        """What :func:`mpeg_parts` gives; ``cut``: its last frame is not all there; ``whole``: it is all of the file."""
        if self.promised:
            extra = (self.count - self.promised) * self.samples
            if self.kind is not None and self.beyond is not None and extra > SLACK_SECONDS * self.kind[2]:
                yield Part(self.start, self.beyond, slack=self.samples)
                yield self._counted(self.beyond, end, self.count - self.promised)
            else:
                yield Part(self.start, end, slack=0 if cut else self.samples)
            return
        notes = ["no index tells its length: heard to the end of the file"] if len(self.bit_rates) > 1 else []
        if cut:
            notes.append("it ends inside a frame, so more may be missing: heard as far as it goes")
        # Of an unvarying bit rate, the decoder's own estimate is right.
        if len(self.bit_rates) > 1 or not whole:
            yield replace(self._counted(self.start, end, self.count), notes=tuple(notes))
        else:
            frames = self.count * self.samples
            yield Part(self.start, end, notes=tuple(notes), told=False, frames=frames, slack=2 * self.samples)

    def _counted(self, start: int, end: int, count: int) -> Part:
        """A part whose length nothing tells, with an index of our own: the decoder would stop where it guesses the end."""
        frames = count * self.samples
        return Part(start, end, told=False, frames=frames, slack=2 * self.samples, prefix=_index_frame(self.header, count))


def mpeg_parts(file: BinaryIO, start: int, size: int) -> list[Part]:
    """The recordings from ``start`` on, a frame, to ``size``; none when this is no MPEG audio.

    A recording ends where an index, an ID3 tag or another format follows, or where its index says.
    """
    found: list[Part] = []
    now, offset = _Recording(start), start
    while offset < size:
        head = at(file, offset, 10)
        if (tag := id3_length(head)) and now.count:
            found += now.parts(offset)
            now = _Recording(offset)
        if tag:
            offset += tag
            continue
        frame = _frame(head)
        if frame is None or (now.kind is None and not _goes_on(file, offset, frame, size)):
            after = _next_frame(file, offset + 1, size) if now.kind is not None else None
            if after is None:
                break
            offset = after
            continue
        if offset + frame.size > size:
            break
        promised = _index(file, offset, frame)
        if now.kind is not None and (frame.kind != now.kind or (promised is not None and now.count)):
            found += now.parts(offset)
            now = _Recording(offset)
        now.kind = frame.kind
        if promised is None:
            now.add(offset, frame, head[:4])
        else:
            now.promised = promised
        offset += frame.size
    if now.kind is None:
        return found
    last = _frame(at(file, offset, 10))
    cut = last is not None and last.kind == now.kind and offset + last.size > size
    return [*found, *now.parts(size, cut=cut, whole=not found and not start)]


def id3_length(head: bytes) -> int:
    """Bytes of the ID3v2 tag that begins with ``head`` (at least 10 bytes of it); 0 where there is none."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    return 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))


def _goes_on(file: BinaryIO, offset: int, frame: _Frame, size: int) -> bool:
    """Whether another frame of the same kind, or the end, follows: two bytes of anything may look like a frame."""
    after = _frame(at(file, offset + frame.size, 4))
    return offset + frame.size == size or (after is not None and after.kind == frame.kind)


def _next_frame(file: BinaryIO, offset: int, size: int) -> int | None:
    block = at(file, offset, RESYNC_BYTES)
    for found in re.finditer(rb"\xff|ID3", block):
        i = found.start()
        if id3_length(block[i : i + 10]):
            return offset + i
        if (frame := _frame(block[i : i + 4])) is not None and _goes_on(file, offset + i, frame, size):
            return offset + i
    return None
