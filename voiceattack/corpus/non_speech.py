"""Clips without speech: what is heard in them is invented. Made here, the same bytes for the same seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from voiceattack.audio import clips as audio
from voiceattack.errors import SpecError

__all__ = ["KINDS", "no_speech"]

Wave = NDArray[np.float64]
RATE = audio.SAMPLE_RATE


def no_speech(kind: str, seconds: float, seed: int = 0) -> Tensor:
    """One clip, float32 (samples,) at 16 kHz on the 16-bit grid.

    Args:
        kind: see :data:`KINDS`.
        seconds: its length, > 0.
        seed: of what is random in it.

    Raises:
        SpecError: no such kind.
    """
    if kind not in KINDS:
        raise SpecError(f"no-speech kind {kind!r} is not known; kinds: {', '.join(KINDS)}")
    time = np.arange(round(seconds * RATE)) / RATE
    wave = KINDS[kind](time, np.random.default_rng(seed))
    return audio.quantize16(torch.from_numpy(wave.astype(np.float32)).clamp(-1, 1))


def _at(wave: Wave, dbfs: float) -> Wave:
    """``wave`` at a root mean square of ``dbfs`` decibels relative to full scale."""
    rms = float(np.sqrt(np.mean(wave**2)))
    return wave * (10 ** (dbfs / 20) / rms) if rms > 0 else wave


def _coloured(time: Wave, rng: np.random.Generator, slope: float) -> Wave:
    """Noise whose power falls with frequency to the power ``slope`` (0 white, 1 pink, 2 brown) above 20 Hz."""
    spectrum = np.fft.rfft(rng.standard_normal(len(time)))
    frequencies = np.fft.rfftfreq(len(time), 1 / RATE)
    shape = np.maximum(frequencies, 20.0) ** (-slope / 2)
    shape[frequencies < 20.0] = 0.0
    return np.asarray(np.fft.irfft(spectrum * shape, len(time)))


def _silence(time: Wave, rng: np.random.Generator) -> Wave:
    return np.zeros_like(time)


def _room_tone(time: Wave, rng: np.random.Generator) -> Wave:
    return _at(_coloured(time, rng, 2.0), -62.0) + _at(_coloured(time, rng, 0.0), -75.0)


def _white_noise(time: Wave, rng: np.random.Generator) -> Wave:
    return _at(_coloured(time, rng, 0.0), -30.0)


def _pink_noise(time: Wave, rng: np.random.Generator) -> Wave:
    return _at(_coloured(time, rng, 1.0), -25.0)


def _mains_hum(time: Wave, rng: np.random.Generator) -> Wave:
    hum = sum(np.sin(2 * np.pi * 50 * k * time + rng.uniform(0, 2 * np.pi)) / k for k in (1, 2, 3, 5, 7))
    return _at(np.asarray(hum), -30.0) + _room_tone(time, rng)


def _bursts(time: Wave, rng: np.random.Generator, rate_hz: float, decay: float, make: Callable[[Wave], Wave]) -> Wave:
    """Short sounds at random times, ``rate_hz`` a second on average, at least one."""
    wave = _room_tone(time, rng)
    count = max(1, int(rng.poisson(rate_hz * len(time) / RATE)))
    for start in rng.integers(0, max(1, len(time) - RATE // 10), size=count):
        local = np.arange(min(len(time) - start, int(6 * decay * RATE) + 1)) / RATE
        wave[start : start + len(local)] += rng.uniform(0.3, 1.0) * np.exp(-local / decay) * make(local)
    return wave


def _keyboard(time: Wave, rng: np.random.Generator) -> Wave:
    return _bursts(time, rng, 5.0, 0.004, lambda local: 0.25 * rng.standard_normal(len(local)))


def _knocks(time: Wave, rng: np.random.Generator) -> Wave:
    return _bursts(time, rng, 1.5, 0.03, lambda local: 0.5 * np.sin(2 * np.pi * rng.uniform(120, 300) * local))


def _breathing(time: Wave, rng: np.random.Generator) -> Wave:
    envelope = np.clip(np.sin(2 * np.pi * 0.35 * time + rng.uniform(0, 6)), 0, None) ** 2
    return _at(envelope * _coloured(time, rng, 0.6), -38.0) + _room_tone(time, rng)


def _music(time: Wave, rng: np.random.Generator) -> Wave:
    """Chords of plucked strings, two a second."""
    wave = np.zeros_like(time)
    for start in range(0, len(time), RATE // 2):
        local = time[start : start + RATE] - time[start]
        root = 110 * 2 ** (int(rng.choice([0, 3, 5, 7, 10])) / 12)
        chord = sum(np.sin(2 * np.pi * root * ratio * k * local) / k**2 for ratio in (1, 1.26, 1.498, 2) for k in (1, 2, 3))
        wave[start : start + len(local)] += np.exp(-local / 0.3) * np.asarray(chord)
    return _at(wave, -22.0)


def _siren(time: Wave, rng: np.random.Generator) -> Wave:
    pitch = 700 + 300 * np.sin(2 * np.pi * 0.4 * time + rng.uniform(0, 6))
    return _at(np.sin(2 * np.pi * np.cumsum(pitch) / RATE), -25.0) + _room_tone(time, rng)


KINDS: dict[str, Callable[[Wave, np.random.Generator], Wave]] = {
    "silence": _silence,
    "room-tone": _room_tone,
    "white-noise": _white_noise,
    "pink-noise": _pink_noise,
    "mains-hum": _mains_hum,
    "keyboard": _keyboard,
    "knocks": _knocks,
    "breathing": _breathing,
    "music": _music,
    "siren": _siren,
}
"""Digital silence, a quiet room, two noises, and sounds that are no speech."""
