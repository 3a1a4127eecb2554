"""Mean spectra of speech, of what it hides and of the perturbation: the data of the masking picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from voiceattack.audio.clips import SAMPLE_RATE
from voiceattack.metrics.psychoacoustics import masking

__all__ = ["MaskingCurve", "masking_curve"]

LOWEST_DB = -20.0


@dataclass(frozen=True)
class MaskingCurve:
    """Spectra in dB SPL, float (bins,), mean over the frames in which speech is on, and the mean excess in dB over all bins."""

    kilohertz: Tensor
    speech: Tensor
    threshold: Tensor
    perturbation: Tensor
    excess_db: float


def masking_curve(clean: Tensor, delta: Tensor) -> MaskingCurve:
    """The curve of one clip at 16 kHz.

    Args:
        clean: float (samples,).
        delta: float (samples,), the perturbation.
    """
    speech = clean[None].double()
    hidden = masking(speech)
    level = hidden.level_db(speech)[0]
    loudest = level.amax(dim=0)
    on = loudest > loudest.max() - 40.0

    def mean(values: Tensor) -> Tensor:
        return values[:, on].mean(dim=1).clamp(min=LOWEST_DB)

    change = delta[None].double()
    excess = float(hidden.excess_db(change).mean())
    kilohertz = torch.linspace(0.0, SAMPLE_RATE / 2000, len(level), dtype=torch.float64)
    return MaskingCurve(kilohertz, mean(level), mean(hidden.threshold_db[0]), mean(hidden.level_db(change)[0]), excess)
