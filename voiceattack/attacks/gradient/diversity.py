"""Input diversity (Xie et al. 2019): gradients of a clip that is heard a little otherwise each time transfer better."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["diverse"]

MOST_SHIFT = 320  # samples, 20 ms
MOST_GAIN_DB = 3.0


def diverse(
    waveforms: Tensor, generators: Sequence[torch.Generator], probability: float, lengths: Sequence[int] | None = None
) -> Tensor:
    """Each clip with some probability shifted by up to 20 ms and made louder or softer by up to 3 dB; differentiable.

    What differs from the paper, which resizes and pads images: time and loudness take the place of size.

    Args:
        waveforms: float (clips, samples).
        generators: one a clip, on the CPU; each call draws three numbers from each.
        probability: in [0, 1].
        lengths: samples of each clip without its padding, which stays where it is; the whole width when None.
    """
    varied = []
    whole = [waveforms.shape[1]] * len(waveforms)
    for waveform, generator, length in zip(waveforms, generators, whole if lengths is None else lengths, strict=True):
        chance, place, level = (2 * torch.rand(3, generator=generator) - 1).tolist()
        if 0.5 * (chance + 1) < probability:
            gain = 10.0 ** (level * MOST_GAIN_DB / 20.0)
            shifted = torch.cat([waveform[:length].roll(round(place * MOST_SHIFT)), waveform[length:]])
            waveform = (gain * shifted).clamp(-1.0, 1.0)
        varied.append(waveform)
    return torch.stack(varied)
