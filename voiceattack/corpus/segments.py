"""Parts of audio files: a stretch of time, one channel of several, or both."""

from __future__ import annotations

import hashlib
import math
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import soundfile

from voiceattack.audio.files import MIN_SECONDS, AudioInfo, read_info, read_samples, reading
from voiceattack.errors import AudioError, CorpusError
from voiceattack.files import one_line

__all__ = ["Segment", "seconds", "segment_of", "write_segment"]

SEEKABLE = frozenset(("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "NIST", "FLAC"))
"""Formats in which libsndfile finds a sample exactly without reading what lies before it."""


@dataclass(frozen=True)
class Segment:
    """A part of an audio file.

    Attributes:
        start: seconds from the file's beginning, 0 or more.
        duration: seconds, above 0; None reaches to the file's end.
        channel: from 0; None is all of them.
    """

    start: float = 0.0
    duration: float | None = None
    channel: int | None = None

    def __str__(self) -> str:
        """As the fragment of an address (W3C Media Fragments): ``t=2.325,5.627&channel=1``."""
        end = "" if self.duration is None else f",{self.start + self.duration:.6f}".rstrip("0").rstrip(".")
        time = f"t={self.start:.6f}".rstrip("0").rstrip(".") + end if self.start or self.duration is not None else ""
        return "&".join(part for part in (time, "" if self.channel is None else f"channel={self.channel}") if part)

    @classmethod
    def parse(cls, fragment: str) -> Segment | None:
        """The inverse of ``str``; None when it is no such fragment."""
        found = re.fullmatch(r"(?:t=([\d.]+)(?:,([\d.]+))?)?(?:(?:^|&)channel=(\d+))?", fragment)
        try:
            if found is None or not fragment:
                return None
            start, end, channel = found.groups()
            begin = float(start or 0)
            return cls(begin, None if end is None else round(float(end) - begin, 6), None if channel is None else int(channel))
        except ValueError:
            return None

    def as_dict(self) -> dict[str, float | int]:
        """What is not the default, JSON-safe."""
        values = {"start": self.start, "duration": self.duration, "channel": self.channel}
        return {name: value for name, value in values.items() if value is not None}

    def digest(self, source_sha256: str) -> str:
        """Hexadecimal SHA-256 of this part of the file of that digest."""
        return hashlib.sha256(f"{source_sha256}#{self}".encode()).hexdigest()


def segment_of(path: Path, start: object = 0.0, duration: object = None, channel: int | None = None) -> Segment | None:
    """The part of ``path`` that a manifest names; None when that is the whole file.

    What the part leaves out at the end is no loss when it is shorter than a clip can be (:data:`MIN_SECONDS`): manifests round.
    A file whose header cannot be read is taken as it is named, and loading it tells what is wrong.

    Args:
        path: an audio file that is there.
        start: seconds, as the manifest says it; None is 0.
        duration: seconds, as the manifest says it; None is to the end.
        channel: from 0; None is all.

    Raises:
        CorpusError: no number, out of range, or beyond the end of the file.
    """
    begin = 0.0 if start is None else seconds(start, "the start")
    length = None if duration is None else seconds(duration, "the duration")
    if begin < 0:
        raise CorpusError(f"the start is {begin:g} s, before the file begins; write 0 or more")
    if length is not None and length <= 0:
        raise CorpusError(f"the duration is {length:g} s; write one above 0, or leave it out for the whole file")
    if channel is not None and channel < 0:
        raise CorpusError(f"channel {channel}: channels count from 0")
    try:
        state = os.stat(path)
        header = _header(str(path), state.st_size, state.st_mtime_ns)
    except (OSError, ValueError, AudioError):
        return None if not begin and channel is None else _rounded(begin, length, channel)
    whole = header.seconds
    if channel is not None and channel >= header.channels:
        raise CorpusError(f"channel {channel} is named, but the file has {header.channels}, counted from 0; correct it")
    one = channel if header.channels > 1 else None
    if begin == 0 and (length is None or length > whole - MIN_SECONDS):
        return None if one is None else Segment(channel=one)
    if begin > whole - MIN_SECONDS:
        raise CorpusError(f"the part begins at {begin:g} s, but the file ends at {whole:.3f} s; correct the start")
    if length is not None and begin + length > whole + MIN_SECONDS:
        raise CorpusError(f"the part ends at {begin + length:.3f} s, but the file at {whole:.3f} s; correct the duration")
    return _rounded(begin, length, one)


def _rounded(start: float, duration: float | None, channel: int | None) -> Segment:
    return Segment(round(start, 6), None if duration is None else round(duration, 6), channel)


def seconds(value: object, what: str) -> float:
    """A time as a manifest says it.

    Raises:
        CorpusError: it is no finite number.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e9 or not math.isfinite(value):
        shown = repr(value) if len(repr(value)) <= 40 else type(value).__name__
        raise CorpusError(f"{what} is {shown}; write seconds, as a number")
    return float(value)


def _header(path: str, size: int, mtime_ns: int) -> AudioInfo:
    return _look(path, size, mtime_ns)[0]


@lru_cache(maxsize=16)
def _look(path: str, size: int, mtime_ns: int) -> tuple[AudioInfo, bool]:
    """Header of a file, and whether a sample in it is found without reading what lies before; remembered for its next part."""
    del size, mtime_ns
    plain = [part.told and not part.patches and not part.prefix and file.format in SEEKABLE for part, file in reading(path)]
    return read_info(path), plain == [True]


def write_segment(path: Path, segment: Segment, to: Path) -> None:
    """Write a part of ``path`` as a WAV file of its own, at its own sample rate, with the samples unchanged.

    Args:
        path: the audio file.
        segment: which part.
        to: ends in ``.wav``.

    Raises:
        AudioError: as loading the file, or the part lies beyond its end.
        OSError: the disk refuses.
    """
    rate, samples = _samples(path, segment)
    if segment.channel is not None:
        if segment.channel >= samples.shape[1]:
            raise AudioError(f"{path}: has {samples.shape[1]} channels, and channel {segment.channel} is asked; count from 0")
        samples = samples[:, segment.channel : segment.channel + 1]
    if len(samples) < MIN_SECONDS * rate:
        raise AudioError(f"{path}: the part {segment} holds {len(samples) / rate:.4f} s; give at least {MIN_SECONDS:g} s")
    if segment.duration is not None and len(samples) / rate < segment.duration - MIN_SECONDS:
        raise AudioError(
            f"{path}: ends {segment.duration - len(samples) / rate:.3f} s before the part {segment} does; copy it again"
        )
    try:
        soundfile.write(os.fspath(to), samples, rate, "FLOAT", format="WAV")
    except soundfile.SoundFileError as error:
        raise OSError(f"the part cannot be set apart ({one_line(error)})") from error


def _samples(path: Path, segment: Segment) -> tuple[int, Any]:
    """Sample rate, and the samples of that stretch, float32 (frames, channels)."""
    try:
        state = os.stat(path)
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({one_line(error)}); check the path") from error
    header, seekable = _look(str(path), state.st_size, state.st_mtime_ns)
    rate = header.sample_rate
    first = round(segment.start * rate)
    last = None if segment.duration is None else first + round(segment.duration * rate)
    if not seekable or header.frames < first:
        recording = read_samples(path, mono=False)
        return rate, recording.samples[first:last]
    try:
        with soundfile.SoundFile(os.fspath(path)) as file:
            file.seek(first)
            return rate, file.read(-1 if last is None else last - first, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, MemoryError) as error:
        raise AudioError(f"{path}: truncated or damaged ({one_line(error)}); copy or record the file again") from error
