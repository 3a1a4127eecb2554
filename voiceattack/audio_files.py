"""Audio files at the level of libsndfile: opening them, refusing damaged ones."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from voiceattack.errors import AudioError
from voiceattack.files import one_line

__all__ = ["MIN_SECONDS", "AudioInfo", "read_samples", "reading"]

MIN_SECONDS = 0.1
"""Shorter clips are refused: no recogniser hears a word in them."""


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


def read_samples(path: str | Path, *, mono: bool) -> tuple[AudioInfo, NDArray[np.float32]]:
    """All samples at the file's own rate, float32 (frames, channels), or (frames, 1) for their mean; not clipped.

    Raises:
        AudioError: missing, not audio, truncated, empty, shorter than :data:`MIN_SECONDS`, or holding NaN or infinity.
    """
    blocks = []
    with reading(path) as file:
        header = AudioInfo.of(file)
        truncated = f"{path}: truncated: the audio ends before its header says; copy or record the file again"
        if not 1000 <= header.sample_rate <= 768_000:
            raise AudioError(f"{path}: {header.sample_rate} Hz is no sample rate for speech; the file is damaged or mislabelled")
        if _cut_short(file.extra_info):
            raise AudioError(truncated)
        try:
            # In blocks: a damaged header may promise more frames than there is memory.
            while len(block := file.read(1 << 20, dtype="float32", always_2d=True)):
                if not np.isfinite(block).all():
                    raise AudioError(f"{path}: holds NaN or infinite samples; export it again, preferably as 16-bit")
                blocks.append(block.mean(axis=1, keepdims=True) if mono and header.channels > 1 else block)
        except (soundfile.SoundFileError, MemoryError) as error:
            raise AudioError(f"{path}: truncated or damaged ({one_line(error)}); copy or record the file again") from error
    frames = sum(map(len, blocks))
    if frames < header.frames:
        raise AudioError(truncated)
    if frames == 0:
        raise AudioError(f"{path}: holds no audio (zero length); record it again or leave it out")
    if frames < MIN_SECONDS * header.sample_rate:
        raise AudioError(f"{path}: {frames / header.sample_rate:.4f} s is too short to hear; give at least {MIN_SECONDS:g} s")
    return header, np.concatenate(blocks)


def _cut_short(log: str) -> bool:
    """Whether libsndfile's log of a header tells of missing bytes (it silently shortens such files when it opens them)."""
    for promised, found in re.findall(r"(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", log):
        # Programs that write to a pipe leave a length near 2 or 4 GiB: they could not know it.
        if int(found) < int(promised) < 0x7FFF0000:
            return True
    # An Ogg file cut inside a page. One that merely lacks its last page's flag is what live recorders write.
    return re.search(r"Ogg ?: Junk after the last page", log) is not None


@contextlib.contextmanager
def reading(path: str | Path) -> Iterator[Any]:
    """An open ``soundfile.SoundFile``, or AudioError saying why not."""
    try:
        mode = os.stat(path)
        if not stat.S_ISREG(mode.st_mode):
            raise AudioError(f"{path}: is {'a folder' if stat.S_ISDIR(mode.st_mode) else 'no regular file'}; give an audio file")
        open(path, "rb").close()  # libsndfile says "System error." where Python gives the reason
    except FileNotFoundError as error:
        raise AudioError(f"{path}: no such file; check the path") from error
    except (OSError, ValueError) as error:
        raise AudioError(f"{path}: cannot be read ({one_line(error)}); check the path and its permissions") from error
    if mode.st_size == 0:
        raise AudioError(f"{path}: the file is empty (0 bytes); record or copy it again")
    try:
        file = soundfile.SoundFile(os.fspath(path))
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: a headerless .raw
        reason = f"not audio that libsndfile reads, or cut off in its header ({one_line(error)})"
        raise AudioError(f"{path}: {reason}; convert it, for example: ffmpeg -i IN OUT.flac") from error
    with file:
        yield file
