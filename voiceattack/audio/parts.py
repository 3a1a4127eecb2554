"""Where the sound lies in a file that libsndfile alone would hear in part: lengths that a recorder never filled in, joined files.

A recorder that was killed leaves a length of zero or a placeholder; ``cat a.mp3 b.mp3`` and Ogg's chaining put several recordings
into one file. :func:`parts_of` looks at the container only, and says what to open, with which length, and what to tell the user.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

from voiceattack.audio.mpeg import id3_length, mpeg_parts
from voiceattack.audio.view import Part, at

__all__ = ["PLACEHOLDER_BYTES", "Part", "parts_of"]

PLACEHOLDER_BYTES = 1_000_000_000
"""A promise of at least so many bytes (4 hours of 16-bit stereo at 16 kHz) that a file breaks is no length but a placeholder."""

IGNORED_BYTES = 4096
"""So much after the sound that is no known chunk is padding, not more sound."""

TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LYRICSBEGIN", b"<?xpacket", b"3DI")
"""What other programs append to any audio file."""

UNTOLD = "the header tells no length (the recorder was stopped before it could): heard to the end of the file"


def parts_of(file: BinaryIO) -> list[Part]:
    """The recordings of an open file, in order; most files hold one, all of it and as it is.

    Args:
        file: at any position; read here and there, never written.

    Raises:
        OSError: it cannot be read.
    """
    size = file.seek(0, io.SEEK_END)
    start = 0
    while tag := id3_length(head := at(file, start, 10)):  # which stands before whatever
        start += tag
    for finds, magics in _WALKERS:
        if head[:4] in magics:
            parts = finds(file, start, size)
            break
    else:
        parts = mpeg_parts(file, start, size) if head[:1] == b"\xff" and head[1:2] >= b"\xe0" else []
    if not parts:
        return [Part(0, size)]
    # What stood before the sound, a tag, belongs to the first part.
    first = replace(parts[0], start=0, patches=tuple((offset + parts[0].start, data) for offset, data in parts[0].patches))
    return [first, *parts[1:]]


@dataclass(frozen=True)
class _Layout:
    """How a container of chunks is laid out: bytes before the first chunk, a chunk's name and size, and which holds the sound."""

    head: int
    name: int
    size: str
    data: bytes
    pad: int = 2
    counts_itself: bool = False

    @property
    def header(self) -> int:
        return self.name + struct.calcsize(self.size)

    def chunk(self, file: BinaryIO, offset: int) -> tuple[bytes, int] | None:
        """Name and size of the content of the chunk at ``place``; None where there is none."""
        header = at(file, offset, self.header)
        if len(header) < self.header:
            return None
        (size,) = struct.unpack(self.size, header[self.name :])
        return header[: self.name], size - (self.header if self.counts_itself else 0)

    def after(self, offset: int, size: int) -> int:
        """Where the chunk behind the one at ``place`` begins."""
        end = offset + self.header + size
        return end + -(end - offset) % self.pad

    def patch(self, offset: int, size: int) -> tuple[int, bytes]:
        """The bytes that make ``size`` the size of the chunk at ``place``."""
        most = (1 << (8 * struct.calcsize(self.size) - self.size.endswith("q"))) - 1
        told = min(size + (self.header if self.counts_itself else 0), most)
        return offset + self.name, struct.pack(self.size, told)


_W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_W64_DATA = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")
_LAYOUTS = {
    b"RIFF": _Layout(12, 4, "<I", b"data"),
    b"RIFX": _Layout(12, 4, ">I", b"data"),
    b"RF64": _Layout(12, 4, "<I", b"data"),
    b"BW64": _Layout(12, 4, "<I", b"data"),
    b"FORM": _Layout(12, 4, ">I", b"SSND"),
    b"caff": _Layout(8, 4, ">q", b"data", pad=1),
    b"riff": _Layout(40, 16, "<q", _W64_DATA, pad=8, counts_itself=True),
}


def _chunked_parts(file: BinaryIO, start: int, size: int) -> list[Part]:
    """WAV, RF64, AIFF, CAF, Wave64."""
    parts = []
    while (layout := _LAYOUTS.get(at(file, start, 4))) is not None:
        part, end = _chunked(file, start, size, layout)
        parts.append(part)
        if end >= size:
            return parts
        start = end
    return parts


def _chunked(file: BinaryIO, start: int, size: int, layout: _Layout) -> tuple[Part, int]:
    """The recording that begins at ``start``, and where the next one does (``size`` where there is none)."""
    offset, wide = start + layout.head, None
    while (chunk := layout.chunk(file, offset)) is not None and chunk[0] != layout.data:
        if chunk[0] == b"ds64":
            wide = offset + layout.header + 8  # RF64 keeps the size of its samples there
        if chunk[1] < 0 or not _is_name(chunk[0][:4]):
            return Part(start, size), size
        offset = layout.after(offset, chunk[1])
    if chunk is None:
        return Part(start, size), size
    promised, held = chunk[1], size - offset - layout.header
    patch = layout.patch(offset, held)
    if wide is not None and promised == 0xFFFFFFFF:
        (promised,) = struct.unpack("<Q", at(file, wide, 8).ljust(8, b"\0"))
        patch = (wide, struct.pack("<Q", held))
    mended = Part(start, size, ((patch[0] - start, patch[1]),))
    if promised >= held or promised < 0:
        untold = promised < 0 or (promised > held and promised >= PLACEHOLDER_BYTES)
        return (replace(mended, notes=(UNTOLD,)) if untold else Part(start, size)), size
    ends = {layout.after(offset, promised), offset + layout.header + promised}  # there are writers that do not pad
    found = (_behind(file, end, size, layout, padded=promised > 0) for end in sorted(ends, reverse=True))
    behind = next((end for end in found if end is not None), None)
    if behind is not None:
        return Part(start, behind), behind
    if not promised:
        return replace(mended, notes=(UNTOLD,)), size
    return replace(mended, notes=(_more(promised, held),)), size


def _more(promised: int, held: int) -> str:
    return f"the header counts {promised} bytes of sound, but {held} are there: heard to the end of the file"


def _behind(file: BinaryIO, offset: int, size: int, layout: _Layout, padded: bool) -> int | None:
    """Where the next recording begins when the sound ends at ``place``: ``size`` without one; None when more sound follows.

    ``padded``: whether what is all zero, or short, is no sound.
    """
    begun = offset
    while offset < size:
        head = at(file, offset, 16)
        if _LAYOUTS.get(head[:4]) == layout and (layout.name == 4 or head == _W64_RIFF):
            return offset
        if head.startswith(TAGS):
            return size
        chunk = layout.chunk(file, offset)
        if chunk is None or chunk[1] < 0 or not _is_name(chunk[0][:4]) or offset + layout.header + chunk[1] > size:
            return size if offset > begun or (padded and _is_padding(file, begun, size)) else None
        offset = layout.after(offset, chunk[1])
    return size


def _is_padding(file: BinaryIO, offset: int, size: int) -> bool:
    """Whether the bytes from ``place`` on are few, or all zero."""
    while size - offset > IGNORED_BYTES:
        block = at(file, offset, 1 << 20)
        if any(block) or not block:
            return False
        offset += len(block)
    return True


def _is_name(name: bytes) -> bool:
    return all(0x20 <= byte < 0x7F for byte in name)


def _au_parts(file: BinaryIO, start: int, size: int) -> list[Part]:
    parts: list[Part] = []
    while at(file, start, 4) in (b".snd", b"dns."):
        order = ">" if at(file, start, 4) == b".snd" else "<"
        header = at(file, start + 4, 8)
        if len(header) < 8:
            break
        offset, promised = struct.unpack(f"{order}II", header)
        held = size - start - offset
        told = (8, struct.pack(f"{order}I", 0xFFFFFFFF))
        if promised > held and promised >= PLACEHOLDER_BYTES:
            return [*parts, Part(start, size, (told,), (UNTOLD,))]
        if promised >= held:
            return [*parts, Part(start, size)]
        end = start + offset + promised
        if at(file, end, 4) in (b".snd", b"dns."):
            parts.append(Part(start, end))
            start = end
            continue
        if at(file, end, 16).startswith(TAGS) or (promised and _is_padding(file, end, size)):
            return [*parts, Part(start, size)]
        note = UNTOLD if not promised else _more(promised, held)
        return [*parts, Part(start, size, (told,), (note,))]
    return parts


def _flac_parts(file: BinaryIO, start: int, size: int) -> list[Part]:
    """A FLAC stream begins with its name and STREAMINFO of 34 bytes, which by chance happens in no compressed sound."""
    starts = [start, *_found(file, (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22"), start + 8)]
    parts = []
    for begin, end in zip(starts, [*starts[1:], size], strict=True):
        told = int.from_bytes(at(file, begin + 21, 5), "big") & 0xF_FFFF_FFFF
        parts.append(Part(begin, end) if told else Part(begin, end, notes=(UNTOLD,), told=False))
    return parts


def _found(file: BinaryIO, marks: Sequence[bytes], offset: int) -> Iterator[int]:
    """Where one of ``marks``, of one length, stands in a file from ``place`` on."""
    length = len(marks[0])
    while len(block := at(file, offset, 1 << 20)) >= length:
        yield from sorted(offset + i for mark in marks for i in _all_in(block, mark))
        offset += len(block) - length + 1


def _all_in(block: bytes, mark: bytes) -> Iterator[int]:
    i = block.find(mark)
    while i >= 0:
        yield i
        i = block.find(mark, i + 1)


def _ogg_parts(file: BinaryIO, start: int, size: int) -> list[Part]:
    """The links of a chain: each begins with pages that are the first of their streams."""
    starts, offset, opening = [], start, False
    while len(page := at(file, offset, 27)) == 27 and page[:4] == b"OggS":
        first = bool(page[5] & 2)
        if first and not opening:
            starts.append(offset)
        opening = first
        offset += 27 + page[26] + sum(at(file, offset + 27, page[26]))
    return [Part(begin, end) for begin, end in zip(starts, [*starts[1:], size], strict=True)] if starts else []


_WALKERS: list[tuple[Callable[[BinaryIO, int, int], list[Part]], tuple[bytes, ...]]] = [
    (_chunked_parts, tuple(_LAYOUTS)),
    (_au_parts, (b".snd", b"dns.")),
    (_flac_parts, (b"fLaC",)),
    (_ogg_parts, (b"OggS",)),
]
