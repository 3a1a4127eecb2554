"""How much of a perturbation a clip hides in each part of time and frequency once it has been rounded to 16 bits."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from voiceattack.constraints.noise_shaping import filters
from voiceattack.constraints.thresholds import digest_of, threshold_of
from voiceattack.metrics.psychoacoustics import HANN_NOISE_BANDWIDTH, HOP, N_FFT, critical_bands

__all__ = ["Headroom", "fade", "headroom"]

KEPT = 64  # clips remembered
SURELY = 1.3  # times the mean power of rounding that is set aside for it: it is noise, and varies
MOST = 0.7  # of what is hidden may be needed for rounding; where it needs more, nothing is changed
TAPER = 256  # samples over which a perturbation fades before a part that must stay as it was
_kept: OrderedDict[tuple[bytes, str, float], Headroom] = OrderedDict()


@dataclass(frozen=True)
class Headroom:
    """Of one clip, under one limit.

    Attributes:
        allowed_db: float (bins, frames), dB SPL as the threshold is: the highest level of a perturbation before rounding.
        changeable: bool (samples,): in pauses of a clean recording even rounding would stand out, however its noise is shaped
            (:mod:`voiceattack.constraints.noise_shaping`).
        gain_db: what takes the clip's own decibels to dB SPL.
    """

    allowed_db: Tensor
    changeable: Tensor
    gain_db: float

    def amplitude(self) -> Tensor:
        """Magnitude of a spectrum (``torch.stft``, Hann window) that fills what is allowed evenly, float (bins, frames).

        The frames before and after count too, since they share samples.
        """
        first, after = critical_bands(self.allowed_db.shape[0])
        bins = (after - first).to(self.allowed_db) / HANN_NOISE_BANDWIDTH
        level = self.allowed_db - self.gain_db - 10.0 * torch.log10(bins)[:, None]
        least = level.clone()
        least[:, 1:] = torch.minimum(least[:, 1:], level[:, :-1])
        least[:, :-1] = torch.minimum(least[:, :-1], level[:, 1:])
        return torch.exp(least * (math.log(10.0) / 20.0)) * (N_FFT / 2)

    @cached_property
    def filters(self) -> NDArray[np.float64]:
        """See :func:`voiceattack.constraints.noise_shaping.filters`."""
        return filters(self.amplitude().double().cpu().numpy())


def headroom(clip: Tensor, limit_db: float) -> Headroom:
    """What ``clip``, float (samples,) on the 16-bit grid, hides at most ``limit_db`` above its masking threshold."""
    key = (digest_of(clip), str(clip.device), limit_db)
    if key not in _kept:
        _kept[key] = _headroom(clip, limit_db)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    _kept.move_to_end(key)
    return _kept[key]


def _headroom(clip: Tensor, limit_db: float) -> Headroom:
    hidden = threshold_of(clip)
    gain = float(hidden.gain_db[0])
    limit = torch.pow(10.0, (hidden.threshold_db[0] + limit_db) / 10.0)
    first, after = critical_bands(limit.shape[0])
    # White noise of a twelfth of a squared step; a Hann window of N samples sums to N / 2, its square to 3 N / 8.
    of_a_bin = (1.0 / 32768.0) ** 2 / 12.0 * (3.0 / 8.0 * N_FFT) / (N_FFT / 2) ** 2
    rounding = (after - first).to(limit)[:, None] * (of_a_bin / HANN_NOISE_BANDWIDTH * 10.0 ** (gain / 10.0))
    # Shaped noise lies under all of the limit alike, and as far as the mean over the spectrum, in decibels, lets it.
    share = SURELY * torch.exp((rounding.log() - limit.log()).mean(dim=0))
    left = limit * (1.0 - share.clamp(max=MOST))
    return Headroom(10.0 * left.log10(), fade(share > MOST, len(clip)) > 0, gain)


def fade(frames: Tensor, samples: int) -> Tensor:
    """Factors float (samples,): 0 in the middle half of each frame that is true in bool (frames,), rising to 1 around it."""
    closed = torch.zeros(samples + N_FFT, device=frames.device)
    for frame in frames.nonzero().flatten().tolist():
        middle = frame * HOP + N_FFT // 2
        closed[middle - N_FFT // 4 : middle + N_FFT // 4] = 1.0
    closed = closed[N_FFT // 2 : N_FFT // 2 + samples]
    wide = torch.nn.functional.max_pool1d(closed[None, None], 2 * TAPER + 1, 1, TAPER)
    smooth = torch.nn.functional.avg_pool1d(wide, 2 * TAPER + 1, 1, TAPER, count_include_pad=False)[0, 0]
    faded: Tensor = 1.0 - torch.maximum(smooth, closed)
    return faded
