"""The waveform itself, as wav2vec2 and its kin take it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from voiceattack.victims.front_ends.base import Features

__all__ = ["Waveform", "normalized"]


@dataclass(frozen=True)
class Waveform:
    """Samples as they are, or normalised clip by clip; a step is a sample.

    Attributes:
        normalize: whether clips get zero mean and unit variance.
        shortest: samples that the network's own convolutions need.
    """

    normalize: bool = False
    shortest: int = 1

    def __call__(self, waveforms: Tensor, lengths: Tensor) -> Features:
        return Features(normalized(waveforms, lengths) if self.normalize else waveforms, lengths)


def normalized(waveforms: Tensor, lengths: Tensor) -> Tensor:
    """Zero mean and unit variance over each clip's own samples, zero in the padding, as ``Wav2Vec2FeatureExtractor`` does it.

    Args:
        waveforms: float (batch, samples), zero where padded.
        lengths: int64 (batch,), each >= 1.
    """
    inside = torch.arange(waveforms.shape[1], device=waveforms.device)[None, :] < lengths[:, None]
    counts = lengths[:, None].to(waveforms.dtype)
    centred = (waveforms - (waveforms * inside).sum(dim=1, keepdim=True) / counts) * inside
    variance = centred.square().sum(dim=1, keepdim=True) / counts
    return centred / (variance + 1e-7).sqrt()
