"""A limit on how far a perturbation stands above the masking threshold of the clip it is added to."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from voiceattack.constraints.thresholds import threshold_of
from voiceattack.metrics.psychoacoustics import HOP, N_FFT

__all__ = ["Hiding"]

HALVINGS, SCALE_HALVINGS = 5, 14
DEEPEST_DB = 120.0
MOST = 1.5  # times the excess by which a bin is attenuated at most


@dataclass(frozen=True)
class Hiding:
    """At most ``limit_db`` of excess over the masking threshold, mean over time-frequency bins, in dB, > 0.

    This is the metric ``masking_excess_db``. All work is on one clip: float (samples,).
    """

    limit_db: float

    def excess_db(self, clip: Tensor, delta: Tensor) -> float:
        """The mean excess of ``delta`` on the clean ``clip``."""
        return float(threshold_of(clip).excess_db(delta[None]).mean())

    def holds(self, clip: Tensor, delta: Tensor) -> bool:
        """Whether the limit is kept."""
        return self.excess_db(clip, delta) <= self.limit_db

    def attenuate(self, clip: Tensor, delta: Tensor) -> Tensor:
        """``delta`` softened where it stands above the threshold, no more than the limit asks."""
        if self.holds(clip, delta):
            return delta
        window = torch.hann_window(N_FFT, device=delta.device, dtype=delta.dtype)
        spectrum = torch.stft(delta, N_FFT, HOP, window=window, center=True, pad_mode="constant", return_complex=True)
        above = threshold_of(clip).excess_db(delta[None])[0]

        def softened(strength: float) -> Tensor:
            gains = torch.pow(10.0, -strength * above / 20.0)
            return torch.istft(spectrum * gains, N_FFT, HOP, window=window, center=True, length=delta.shape[-1])

        least, most = 0.0, MOST
        best = softened(most)
        for _ in range(HALVINGS):
            middle = 0.5 * (least + most)
            if self.holds(clip, tried := softened(middle)):
                best, most = tried, middle
            else:
                least = middle
        return best

    def scale(self, clip: Tensor, delta: Tensor) -> float:
        """The largest factor in [0, 1], to within 0.01 dB, by which ``delta`` keeps the limit; a softer one always does."""
        if self.holds(clip, delta):
            return 1.0
        kept, broken = DEEPEST_DB, 0.0
        for _ in range(SCALE_HALVINGS):
            middle = 0.5 * (kept + broken)
            if self.excess_db(clip, delta * 10.0 ** (-middle / 20.0)) <= 0.999 * self.limit_db:
                kept = middle
            else:
                broken = middle
        return float(10.0 ** (-kept / 20.0))
