"""Audio: batches, loading, saving, resampling, 16-bit rounding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

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
        return Batch(self.waveforms[index.to(self.waveforms.device)], self.lengths[index.to(self.lengths.device)], self.sample_rate)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return Batch(self.waveforms.to(device), self.lengths.to(device), self.sample_rate)


def quantize16(waveform: Tensor) -> Tensor:
    """Round to the 16-bit grid exactly as :func:`save` stores it: int16 / 32768, float32, differentiable nowhere."""
    return (waveform.detach() * 32768.0).round().clamp(-32768, 32767) / 32768.0
