"""Audio: batches, loading, saving, resampling, 16-bit rounding. Files are read and written by libsndfile alone."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor

from voiceattack.audio.files import AudioInfo, read_info, read_samples, reading
from voiceattack.children import held
from voiceattack.errors import AudioError
from voiceattack.files import one_line, open_regular, write_whole, writing

__all__ = [
    "SAMPLE_RATE",
    "AudioInfo",
    "Batch",
    "carry_back",
    "file_sha256",
    "info",
    "load",
    "load_with_warnings",
    "pcm16",
    "pcm_sha256",
    "quantize16",
    "read_comment",
    "save",
    "text_sha256",
]

SAMPLE_RATE = 16_000
"""Hz inside voiceattack, mono."""


@dataclass(frozen=True)
class Batch:
    """A batch of audio.

    Attributes:
        waveforms: float32 (batch, samples) in [-1, 1], zero-padded on the right.
        lengths: int64 (batch,), true length of each clip in samples.
        sample_rate: Hz, one for the batch.
    """

    waveforms: Tensor
    lengths: Tensor
    sample_rate: int = SAMPLE_RATE

    @classmethod
    def of(cls, clips: Sequence[Tensor], sample_rate: int = SAMPLE_RATE) -> Batch:
        """Pad 1-D waveforms (samples,) into one batch."""
        lengths = torch.tensor([clip.shape[-1] for clip in clips], dtype=torch.int64)
        waveforms = torch.zeros(len(clips), int(lengths.max()) if len(clips) else 0, dtype=torch.float32)
        for row, clip in zip(waveforms, clips, strict=True):
            row[: clip.shape[-1]] = clip
        return cls(waveforms, lengths, sample_rate)

    def __len__(self) -> int:
        return self.waveforms.shape[0]

    def mask(self) -> Tensor:
        """bool (batch, samples): True where there is audio, False in the padding."""
        positions = torch.arange(self.waveforms.shape[1], device=self.waveforms.device)
        return positions[None, :] < self.lengths.to(self.waveforms.device)[:, None]

    def clips(self) -> Iterator[Tensor]:
        """The 1-D waveforms without padding."""
        for row, length in zip(self.waveforms, self.lengths.tolist(), strict=True):
            yield row[:length]

    def replace(self, waveforms: Tensor) -> Batch:
        """The same lengths and rate with other samples."""
        return Batch(waveforms, self.lengths, self.sample_rate)

    def select(self, rows: Sequence[int]) -> Batch:
        """The clips at ``rows``, padding kept."""
        index = torch.as_tensor(list(rows), dtype=torch.int64)
        return Batch(
            self.waveforms[index.to(self.waveforms.device)], self.lengths[index.to(self.lengths.device)], self.sample_rate
        )

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return Batch(self.waveforms.to(device), self.lengths.to(device), self.sample_rate)


def quantize16(waveform: Tensor) -> Tensor:
    """Round to the 16-bit grid exactly as :func:`save` stores it: int16 / 32768, float32, differentiable nowhere."""
    return (waveform.detach() * 32768.0).round().clamp(-32768, 32767) / 32768.0


def info(path: str | Path) -> AudioInfo:
    """Read headers only, unless they do not tell the length; of several recordings joined in a file, the length is that of all.

    Raises:
        AudioError: missing, unreadable or not audio.
    """
    return read_info(path)


def load(path: str | Path, sample_rate: int = SAMPLE_RATE) -> Tensor:
    """Load any libsndfile format: float32 (samples,) in [-1, 1], mono, at ``sample_rate`` Hz.

    Silence loads: it is valid audio. 16-bit samples come as int16 / 32768. A file is heard to its end though its header tells no
    length, or at most 0.1 s and 1 % more than there is; recordings joined in a file are heard one after the other.

    Raises:
        AudioError: missing, not audio, truncated, empty, shorter than 0.1 s, holding NaN, infinity or a sample beyond 100 times
            full scale, or recordings of different formats.
    """
    return load_with_warnings(path, sample_rate)[0]


def load_with_warnings(path: str | Path, sample_rate: int = SAMPLE_RATE) -> tuple[Tensor, list[str]]:
    """:func:`load`, and one line for each thing odd about the file or done to the signal: mixed down, resampled, clipped."""
    found = read_samples(path, mono=True)
    header, warnings = found.header, found.notes
    if header.channels > 1:
        warnings.append(f"{header.channels} channels mixed down to one by their mean")
    if header.sample_rate != sample_rate:
        warnings.append(f"resampled from {header.sample_rate} Hz to {sample_rate} Hz")
    mono = _resample(found.samples, header.sample_rate, sample_rate)[:, 0]
    over = int(np.count_nonzero(np.abs(mono) > 1.0))
    if over:
        warnings.append(f"{over} of {len(mono)} samples beyond full scale (peak {np.abs(mono).max():.3g}) were clipped")
    return torch.from_numpy(np.ascontiguousarray(mono.clip(-1.0, 1.0))), warnings


def save(
    path: str | Path,
    waveform: Tensor,
    sample_rate: int = SAMPLE_RATE,
    *,
    comment: str | None = None,
    title: str | None = None,
) -> None:
    """Write 16-bit FLAC or WAV, by suffix; the same arguments give the same bytes.

    A mono file at 16 kHz loads as ``quantize16(waveform)`` exactly. The file appears whole or not at all.

    Args:
        path: ends in ``.flac`` or ``.wav``; its folder exists.
        waveform: float (samples,), or (channels, frames); beyond [-1, 1] it is clipped.
        sample_rate: Hz.
        comment: stored in the file's metadata, as is ``title``.

    Raises:
        AudioError: another suffix or shape, NaN or infinity, nothing to write.
        DiskError: the disk refuses (full, read-only).
    """
    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    if kind not in ("flac", "wav"):
        raise AudioError(f"{path}: saved audio is 16-bit FLAC or WAV; give a name ending in .flac or .wav")
    if waveform.ndim not in (1, 2) or waveform.numel() == 0:
        raise AudioError(f"{path}: cannot save audio of shape {tuple(waveform.shape)}; give (samples,) or (channels, frames)")
    if not bool(torch.isfinite(waveform).all()):
        raise AudioError(f"{path}: the waveform holds NaN or infinity, nothing was saved")
    pcm = _pcm16(waveform)
    buffer = io.BytesIO()
    try:
        channels = 1 if pcm.ndim == 1 else pcm.shape[0]
        # The encoder calls Python back to write, and what is raised there is lost.
        with held(), soundfile.SoundFile(buffer, "w", sample_rate, channels, "PCM_16", format=kind.upper()) as file:
            # Metadata goes before the samples: FLAC cannot add it afterwards.
            if comment is not None:
                file.comment = comment
            if title is not None:
                file.title = title
            file.write(pcm.T)
    except soundfile.SoundFileError as error:
        raise AudioError(f"{path}: {channels} channels at {sample_rate} Hz cannot be saved ({one_line(error)})") from error
    with writing(path):
        write_whole(path, buffer.getvalue())


def carry_back(original_path: str | Path, perturbation: Tensor) -> Tensor:
    """The original file, at its own rate and with its own channels, with a 16 kHz mono perturbation added.

    Each channel gets the same perturbation, so that the down-mix changes by exactly that; one that was turned over before mixing
    gets it turned over. A file below 16 kHz cannot carry what lies above half its rate.

    Args:
        original_path: the file whose :func:`load` was attacked.
        perturbation: float (samples,), adversarial minus clean, at 16 kHz.

    Returns:
        float32 (channels, frames) in [-1, 1], to be saved at ``info(original_path).sample_rate``.

    Raises:
        AudioError: the file does not load, or the perturbation was made for another length.
    """
    original = read_samples(original_path, mono=False)
    header, samples = original.header, original.samples
    seconds = perturbation.shape[-1] / SAMPLE_RATE
    if perturbation.ndim != 1 or abs(seconds - header.seconds) > 0.01:
        raise AudioError(f"{original_path}: lasts {header.seconds:.3f} s, but the perturbation {seconds:.3f} s; use its own one")
    column = perturbation.detach().cpu().to(torch.float32).numpy()[:, None]
    delta = _resample(column, SAMPLE_RATE, header.sample_rate)[: len(samples)]
    samples[: len(delta)] += delta * original.signs
    return torch.from_numpy(np.ascontiguousarray(samples.T.clip(-1.0, 1.0)))


def read_comment(path: str | Path) -> str | None:
    """The comment in a file's metadata, None without one; raises AudioError as :func:`info` does."""
    return next(file.comment for _, file in reading(path)) or None


def file_sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes; raises AudioError when it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open_regular(path) as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except (OSError, ValueError) as error:
        raise AudioError(f"{path}: cannot be read ({one_line(error)}); check the path and its permissions") from error
    return digest.hexdigest()


def pcm16(waveform: Tensor) -> bytes:
    """The samples (samples,) as little-endian int16."""
    return _pcm16(waveform).astype("<i2").tobytes()


def pcm_sha256(waveform: Tensor) -> str:
    """Hexadecimal SHA-256 of the samples (samples,) as little-endian int16: the same for any container and any tags."""
    return hashlib.sha256(pcm16(waveform)).hexdigest()


def text_sha256(text: str) -> str:
    """Hexadecimal SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _pcm16(waveform: Tensor) -> NDArray[np.int16]:
    samples: NDArray[np.int16] = (quantize16(waveform) * 32768.0).to(torch.int16).cpu().numpy()
    return samples


def _resample(samples: NDArray[np.float32], from_hz: int, to_hz: int) -> NDArray[np.float32]:
    """float32 (frames, channels) at another rate; deterministic."""
    if from_hz == to_hz:
        return samples
    resampled: NDArray[np.float32] = soxr.resample(samples, from_hz, to_hz, "HQ")
    return resampled
