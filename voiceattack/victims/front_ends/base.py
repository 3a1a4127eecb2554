"""The one interface of front ends: where networks that take waveforms and those that take mel spectrograms differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["Features", "FrontEnd", "standardized"]


@dataclass(frozen=True)
class Features:
    """What a network takes of a batch.

    Attributes:
        values: float (batch, steps) of samples or (batch, steps, width) of spectra, zero past each clip's own steps.
        lengths: int64 (batch,), steps of each clip.
    """

    values: Tensor
    lengths: Tensor

    @property
    def mask(self) -> Tensor:
        """Where clips are, int64 (batch, steps), 1 or 0."""
        steps = torch.arange(self.values.shape[1], device=self.values.device)
        return (steps[None, :] < self.lengths[:, None]).long()


class FrontEnd(Protocol):
    """Waveforms to what a network takes, with gradients, each clip of a batch as it is alone."""

    @property
    def shortest(self) -> int:
        """Samples of the shortest clip that has features."""

    def __call__(self, waveforms: Tensor, lengths: Tensor) -> Features:
        """Features of a batch.

        Args:
            waveforms: float (batch, samples), zero where padded.
            lengths: int64 (batch,), samples of each clip, ``shortest`` at least.
        """


def standardized(spectra: Tensor, frames: Tensor, *, inside: float = 0.0, outside: float = 0.0) -> Tensor:
    """Zero mean and unit variance of each band over a clip's own frames, zero past them.

    Args:
        spectra: float (batch, frames, bands).
        frames: int64 (batch,), 2 at least.
        inside: added to the variance.
        outside: added to its root.
    """
    where = (torch.arange(spectra.shape[1], device=spectra.device)[None, :] < frames[:, None]).unsqueeze(-1)
    counts = frames[:, None, None].to(spectra.dtype)
    centred = (spectra - (spectra * where).sum(dim=1, keepdim=True) / counts) * where
    variance = centred.square().sum(dim=1, keepdim=True) / (counts - 1)
    # A band that never changes has no gradient; the root of zero would make one of nan.
    deviation = (variance + inside).clamp(min=1e-20).sqrt()
    return centred / (deviation + outside)
