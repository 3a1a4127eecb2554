"""Faster, slower, higher, lower."""

from __future__ import annotations

from typing import ClassVar

import librosa
import numpy as np
import soxr

from voiceattack.attacks.corruptions.base import RATE, Corruption, Draws, Wave

__all__ = ["PitchDown", "PitchUp", "SlowDown", "SpeedUp", "TempoDown", "TempoUp"]


def _cut(wave: Wave, samples: int) -> Wave:
    """Exactly ``samples``: what resamplers leave a sample long or short."""
    return np.pad(wave[:samples], (0, max(0, samples - len(wave))))


class _Speed(Corruption):
    """Resampled by the factor, as a tape that runs at another speed: pitch moves too. ``round(samples / factor)`` samples."""

    def apply(self, clip: Wave, draws: Draws) -> Wave:
        return _cut(soxr.resample(clip, RATE * self.value, RATE, "VHQ"), round(len(clip) / self.value))


class SpeedUp(_Speed):
    """Played faster."""

    name: ClassVar[str] = "corruption:speed_up"
    summary: ClassVar[str] = "played faster, pitch and all"


class SlowDown(_Speed):
    """Played slower."""

    name: ClassVar[str] = "corruption:slow_down"
    summary: ClassVar[str] = "played slower, pitch and all"


class _Tempo(Corruption):
    """Time stretched by librosa's phase vocoder (Laroche & Dolson 1999), pitch kept; the source uses SoX's overlap-add."""

    def apply(self, clip: Wave, draws: Draws) -> Wave:
        return _cut(librosa.effects.time_stretch(clip, rate=self.value), round(len(clip) / self.value))


class TempoUp(_Tempo):
    """Spoken faster."""

    name: ClassVar[str] = "corruption:tempo_up"
    summary: ClassVar[str] = "spoken faster, pitch kept"


class TempoDown(_Tempo):
    """Spoken slower."""

    name: ClassVar[str] = "corruption:tempo_down"
    summary: ClassVar[str] = "spoken slower, pitch kept"


class _Pitch(Corruption):
    """Moved by semitones: stretched by a phase vocoder, then resampled to the old length."""

    def apply(self, clip: Wave, draws: Draws) -> Wave:
        factor = 2.0 ** (-self.value / 12.0)
        stretched = librosa.effects.time_stretch(clip, rate=factor)
        return _cut(soxr.resample(stretched, RATE / factor, RATE, "VHQ"), len(clip))


class PitchUp(_Pitch):
    """A higher voice."""

    name: ClassVar[str] = "corruption:pitch_up"
    summary: ClassVar[str] = "a higher voice, tempo kept, semitones"


class PitchDown(_Pitch):
    """A lower voice."""

    name: ClassVar[str] = "corruption:pitch_down"
    summary: ClassVar[str] = "a lower voice, tempo kept, semitones"
