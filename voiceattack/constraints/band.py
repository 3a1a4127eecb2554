"""A frequency band: the only part of the spectrum in which a perturbation may lie."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import torch
from torch import Tensor

from voiceattack.audio.clips import SAMPLE_RATE
from voiceattack.errors import SpecError

__all__ = ["Band"]

ALLOWED = 0.1  # of the norm may lie outside, -20 dB: what a time window or a clamp spreads
AIM = 0.05  # what the projection leaves outside at most
HALF_STEP = 0.5 / 32768.0  # most that rounding to 16 bits adds to a sample


@dataclass(frozen=True)
class Band:
    """Frequencies from ``low`` to ``high``, in Hz, with 0 <= low < high <= 8000."""

    low: float
    high: float

    @classmethod
    def parse(cls, text: str) -> Band:
        """``"300-3400"`` in Hz.

        Raises:
            SpecError: it does not read so, or lies outside 0 to 8000 Hz.
        """
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*-\s*(\d+(?:\.\d+)?)\s*", text)
        if match is None:
            raise SpecError(f"band {text!r} must read LOW-HIGH in Hz, for example 300-3400")
        low, high = float(match[1]), float(match[2])
        if not low < high <= SAMPLE_RATE / 2:
            raise SpecError(f"band {text!r} must rise and end by {SAMPLE_RATE // 2} Hz")
        return cls(low, high)

    def inside(self, delta: Tensor) -> Tensor:
        """The part of a perturbation, float (samples,), that lies in the band: a brick wall over the whole clip."""
        spectrum = torch.fft.rfft(delta)
        hertz = torch.linspace(0.0, SAMPLE_RATE / 2, spectrum.shape[-1], device=delta.device)
        kept = spectrum * ((hertz >= self.low) & (hertz <= self.high))
        filtered: Tensor = torch.fft.irfft(kept, n=delta.shape[-1])
        return filtered

    def holds(self, delta: Tensor) -> bool:
        """Whether the projection may leave this perturbation, float (samples,), as it is."""
        return float((delta - self.inside(delta)).norm()) <= AIM * float(delta.norm()) + 1e-9

    def excess(self, delta: Tensor) -> float:
        """The norm outside over what is allowed there: a tenth of the whole, and what rounding to 16 bits adds."""
        changed = int((delta != 0).sum())
        if not changed:
            return 0.0
        allowed = ALLOWED * float(delta.norm()) + HALF_STEP * math.sqrt(changed)
        return float((delta - self.inside(delta)).norm()) / allowed
