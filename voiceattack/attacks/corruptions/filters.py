"""Linear filters, resampling, and a gain that clips. The filters are torchaudio's, which are SoX's."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import soxr
import torch

from voiceattack._torchaudio import require_torchaudio
from voiceattack.attacks.corruptions.base import RATE, Corruption, Draws, Wave

__all__ = ["Bass", "Gain", "Highpass", "Lowpass", "Resample", "Treble"]


def _filtered(clip: Wave, name: str, value: float) -> Wave:
    function = getattr(require_torchaudio().functional, name)
    # torchaudio clamps to full scale after the filter; far below it nothing is clamped, and the base class scales the whole.
    room = 1e-4
    return np.asarray(function(torch.from_numpy(clip * room), RATE, value).numpy() / room)


class Lowpass(Corruption):
    """A two-pole low-pass (Q 0.707)."""

    name: ClassVar[str] = "corruption:lowpass"
    summary: ClassVar[str] = "second-order low-pass, Hz"

    def apply(self, clip: Wave, draws: Draws) -> Wave:
        return _filtered(clip, "lowpass_biquad", self.value)


class Highpass(Corruption):
    """A two-pole high-pass (Q 0.707)."""

    name: ClassVar[str] = "corruption:highpass"
    summary: ClassVar[str] = "second-order high-pass, Hz"

    def apply(self, clip: Wave, draws: Draws) -> Wave:
        return _filtered(clip, "highpass_biquad", self.value)


class Treble(Corruption):
    """A high shelf at 3 kHz, raised."""

    name: ClassVar[str] = "corruption:treble"
    summary: ClassVar[str] = "high shelf raised, dB"

    def apply(self, clip: Wave, draws: Draws) -> Wave:
        return _filtered(clip, "treble_biquad", self.value)


class Bass(Corruption):
    """A low shelf at 100 Hz, raised."""

    name: ClassVar[str] = "corruption:bass"
    summary: ClassVar[str] = "low shelf raised, dB"

    def apply(self, clip: Wave, draws: Draws) -> Wave:
        return _filtered(clip, "bass_biquad", self.value)


class Resample(Corruption):
    """Down to a fraction of 16 kHz and up again: what lies above half the lower rate is gone."""

    name: ClassVar[str] = "corruption:resample"
    summary: ClassVar[str] = "to a lower rate and back"

    def apply(self, clip: Wave, draws: Draws) -> Wave:
        low = soxr.resample(clip, RATE, RATE * self.value, "VHQ")
        high = soxr.resample(low, RATE * self.value, RATE, "VHQ")
        return np.pad(high[: len(clip)], (0, max(0, len(clip) - len(high))))


class Gain(Corruption):
    """Amplified and clipped at full scale."""

    name: ClassVar[str] = "corruption:gain"
    summary: ClassVar[str] = "amplified and clipped"
    clips: ClassVar[bool] = True

    def apply(self, clip: Wave, draws: Draws) -> Wave:
        draws.facts.update(clipped_share=round(float(np.mean(np.abs(clip * self.value) > 1.0)), 4))
        return clip * self.value
