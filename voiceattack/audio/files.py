"""Audio files at the level of libsndfile: opening them, hearing all that is in them, refusing damaged ones."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from voiceattack.audio.downmix import Polarity
from voiceattack.audio.parts import PLACEHOLDER_BYTES, Part, parts_of
from voiceattack.audio.view import View
from voiceattack.errors import AudioError
from voiceattack.files import one_line, open_regular

__all__ = ["MAX_AMPLITUDE", "MIN_SECONDS", "AudioInfo", "Recording", "read_info", "read_samples", "reading"]

MIN_SECONDS = 0.1
"""Shorter clips are refused: no recogniser hears a word in them."""

MAX_AMPLITUDE = 100.0
"""Samples beyond so many times full scale (40 dB over it) are refused: a file that holds one is damaged, or scaled otherwise."""

MISSING_SECONDS = 0.1
MISSING_SHARE = 0.01
"""A file that ends at most so much before its header says, in seconds and in share, lost no word: it is heard, with a warning."""

_UNTOLD = 1 << 62
"""libsndfile's frame count of a stream that does not tell its length is near the largest int64."""


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says: Hz, channel count, samples a channel, libsndfile's name of the sample format, seconds."""

    sample_rate: int
    channels: int
    frames: int
    subtype: str
    seconds: float

    @classmethod
    def of(cls, file: Any) -> AudioInfo:
        """The header of an open ``soundfile.SoundFile``."""
        return cls(file.samplerate, file.channels, file.frames, file.subtype, file.frames / file.samplerate)

    def lasting(self, frames: int) -> AudioInfo:
        """The same with another length."""
        return replace(self, frames=frames, seconds=frames / self.sample_rate)


@dataclass(frozen=True)
class Recording:
    """All samples of a file: float32 (frames, channels), or (frames, 1) for their mean, at its own rate.

    Attributes:
        header: with the true length.
        samples: not clipped, and within :data:`MAX_AMPLITUDE`.
        signs: float32 (channels,): +1, or -1 for a channel that was turned over before the mean was taken.
        notes: one line for each thing that is odd about the file.
    """

    header: AudioInfo
    samples: NDArray[np.float32]
    signs: NDArray[np.float32]
    notes: list[str]


def read_samples(path: str | Path, *, mono: bool) -> Recording:
    """Read a file to its end: all recordings in it, one after the other, whatever its header tells of their length.

    Channels that cancel in their mean (:mod:`voiceattack.audio.downmix`) are turned over first; where ``mono`` is false
    they stay.

    Raises:
        AudioError: missing, not audio, truncated, empty, shorter than :data:`MIN_SECONDS`, holding NaN, infinity or a sample
            beyond :data:`MAX_AMPLITUDE`, or recordings of different formats.
    """
    reader = _Reader(path)
    polarity: Polarity | None = None
    blocks = []
    for block in reader.blocks():
        polarity = polarity or Polarity(block.shape[1])
        if block.shape[1] > 1:
            polarity.add(block)
        blocks.append(block.mean(axis=1, keepdims=True) if mono and block.shape[1] > 1 else block)
    header = reader.header
    if polarity is None or header.frames == 0:
        raise AudioError(f"{path}: holds no audio (zero length); record it again or leave it out")
    if header.seconds < MIN_SECONDS:
        raise AudioError(f"{path}: {header.seconds:.4f} s is too short to hear; give at least {MIN_SECONDS:g} s")
    signs = np.ones(header.channels, np.float32)
    notes = reader.notes
    if (turned := polarity.signs()) is not None:
        signs, level = turned
        which = ", ".join(str(channel + 1) for channel in np.flatnonzero(signs < 0))
        notes.append(f"the channels cancel: their mean is {-level:.0f} dB below them; turned over before mixing: channel {which}")
        if mono:  # read again: as a rule nothing cancels, and one channel takes less memory than several
            blocks = [(block * signs).mean(axis=1, keepdims=True) for block in _Reader(path).blocks()]
    return Recording(header, np.concatenate(blocks), signs, notes)


def read_info(path: str | Path) -> AudioInfo:
    """The header of the first recording, with the length of all; a length that no header tells is counted.

    Raises:
        AudioError: missing, unreadable or not audio.
    """
    first, frames = None, 0
    for part, file in reading(path):
        first = first or AudioInfo.of(file)
        if (part.told or part.prefix) and file.frames < _UNTOLD:
            frames += file.frames
        else:
            frames += part.frames or sum(map(len, _read(path, file)))
    assert first is not None  # a file has a part at least
    return first.lasting(frames)


class _Reader:
    """Reads a file from front to back.

    Attributes:
        header: of its first recording, with the length that was read so far.
        notes: what is odd about the file, as far as it was read.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self.notes: list[str] = []
        self.header = AudioInfo(0, 0, 0, "", 0.0)

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """All samples, float32 (frames, channels) at a time."""
        parts, total = 0, 0
        for part, file in reading(self._path):
            header = AudioInfo.of(file)
            self.header = self.header if parts else header.lasting(0)
            parts, frames = parts + 1, 0
            self._check(header)
            for block in _read(self._path, file):
                frames += len(block)
                yield block
            total += frames
            self.header = self.header.lasting(total)
            self.notes += [note for note in [*part.notes, *_shortage(self._path, part, file, frames)] if note not in self.notes]
        if parts > 1:
            self.notes.append(f"{parts} recordings are joined in this file: heard one after the other")

    def _check(self, header: AudioInfo) -> None:
        if not 1000 <= header.sample_rate <= 768_000:
            raise AudioError(
                f"{self._path}: {header.sample_rate} Hz is no sample rate for speech; the file is damaged or mislabelled"
            )
        if (self.header.sample_rate, self.header.channels) != (header.sample_rate, header.channels):
            raise AudioError(
                f"{self._path}: joined from recordings of different formats ({self.header.sample_rate} Hz with "
                f"{self.header.channels} channels, then {header.sample_rate} Hz with {header.channels}); give them one by one"
            )


def _read(path: str | Path, file: Any) -> Iterator[NDArray[np.float32]]:
    """The rest of an open file, in blocks: a damaged header may promise more frames than there is memory."""
    try:
        while len(block := file.read(max(1, (1 << 20) // file.channels), dtype="float32", always_2d=True)):
            peak = float(np.abs(block).max())
            if not np.isfinite(peak):
                raise AudioError(f"{path}: holds NaN or infinite samples; export it again, preferably as 16-bit")
            if peak > MAX_AMPLITUDE:
                raise AudioError(
                    f"{path}: holds a sample of {peak:.3g} times full scale, where {MAX_AMPLITUDE:g} is the most that is taken "
                    "for sound; the file is damaged or its floats are not scaled to 1: export it again, preferably as 16-bit"
                )
            yield block
    except (soundfile.SoundFileError, MemoryError) as error:
        raise AudioError(f"{path}: truncated or damaged ({one_line(error)}); copy or record the file again") from error


def _shortage(path: str | Path, part: Part, file: Any, frames: int) -> list[str]:
    """What to say of samples that a header promises and the file does not hold; raises AudioError when they are many."""
    promised = file.frames if part.told and file.frames < _UNTOLD else part.frames or 0
    missing = float(max(0, promised - frames - part.slack))
    # libsndfile silently shortens such files when it opens them; its log tells, in bytes.
    for bytes_promised, found in re.findall(r"(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", file.extra_info):
        if int(found) < int(bytes_promised) < PLACEHOLDER_BYTES:
            missing += (int(bytes_promised) - int(found)) / max(1, int(found)) * max(1, frames)
    # An Ogg file cut inside a page. One that merely lacks its last page's flag is what live recorders write.
    cut = re.search(r"Ogg ?: Junk after the last page", file.extra_info) is not None
    if cut or missing > min(MISSING_SECONDS * file.samplerate, MISSING_SHARE * (frames + missing)):
        raise AudioError(f"{path}: truncated: the audio ends before its header says; copy or record the file again")
    return [f"{round(missing)} samples fewer than the header says: heard to the end of the file"] if missing else []


class _Streamed(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """Read from front to back: soundfile itself seeks behind each block, which fails where the length is not known."""

    def seekable(self) -> bool:
        return False


def reading(path: str | Path) -> Iterator[tuple[Part, Any]]:
    """Each recording of a file, opened as ``soundfile.SoundFile`` while it is the current one, or AudioError saying why not."""
    with contextlib.closing(_opened(path)) as file:
        try:
            parts = parts_of(file)
            size = file.seek(0, os.SEEK_END)
        except OSError as error:
            raise AudioError(f"{path}: cannot be read ({one_line(error)}); check the path and its permissions") from error
        for part in parts:
            whole = part.start == 0 and part.end == size and not part.patches and not part.prefix
            view = View(file, part)
            try:
                sound = _Streamed(os.fspath(path) if whole else view)
            except (soundfile.SoundFileError, TypeError) as error:  # TypeError: a headerless .raw
                reason = f"not audio that libsndfile reads, or cut off in its header ({one_line(error)})"
                raise AudioError(f"{path}: {reason}; convert it, for example: ffmpeg -i IN OUT.flac") from error
            with sound:
                yield part, sound
            if view.failed is not None:
                raise AudioError(f"{path}: cannot be read ({one_line(view.failed)}); check the disk") from view.failed


def _opened(path: str | Path) -> BinaryIO:
    try:
        mode = os.stat(path)
        if not stat.S_ISREG(mode.st_mode):
            raise AudioError(f"{path}: is {'a folder' if stat.S_ISDIR(mode.st_mode) else 'no regular file'}; give an audio file")
        file = open_regular(path)  # libsndfile says "System error." where Python gives the reason
    except FileNotFoundError as error:
        raise AudioError(f"{path}: no such file; check the path") from error
    except (OSError, ValueError) as error:
        raise AudioError(f"{path}: cannot be read ({one_line(error)}); check the path and its permissions") from error
    if mode.st_size == 0:
        file.close()
        raise AudioError(f"{path}: the file is empty (0 bytes); record or copy it again")
    return file
