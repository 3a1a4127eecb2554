"""The masking model against the same model written out masker by masker, from the standard's description."""

from __future__ import annotations

import math

import pytest
import torch
from speechlike import tones

from voiceattack.metrics.masking import masking_excess_db, masking_excess_share
from voiceattack.metrics.psychoacoustics import absolute_threshold_db, bark, masking

HERTZ = [7.8125 * index for index in range(1025)]
FRAMES = (3, 9)


def bark_of(hertz: float) -> float:
    return 13 * math.atan(0.00076 * hertz) + 3.5 * math.atan((hertz / 7500) ** 2)


def quiet_of(hertz: float) -> float:
    khz = max(hertz, 20.0) / 1000
    return 3.64 * khz**-0.8 - 6.5 * math.exp(-0.6 * (khz - 3.3) ** 2) + 0.001 * khz**4


RATES, QUIET = [bark_of(hertz) for hertz in HERTZ], [quiet_of(hertz) for hertz in HERTZ]


def powers(clip: torch.Tensor, frame: int) -> list[float]:
    """Of one frame of 2048 samples, every 512 from -1024 on, under a Hann window; a full-scale sine peaks at 1/4."""
    padded = torch.nn.functional.pad(clip.double(), (1024, 2048))[512 * frame :][:2048]
    window = torch.tensor([0.5 - 0.5 * math.cos(2 * math.pi * n / 2048) for n in range(2048)], dtype=torch.float64)
    return [float(value) ** 2 / float(window.sum()) ** 2 for value in torch.fft.rfft(padded * window).abs()]


def level(power: float) -> float:
    return 10 * math.log10(max(power, 1e-20))


def maskers(levels: list[float]) -> list[tuple[float, float, float]]:
    """Strength in dB SPL, place in Bark and offset in dB of a frame's tonal and noise maskers that are heard and not outdone."""
    power = [10 ** (one / 10) for one in levels]
    tonal = [
        i
        for i in range(6, 1019)
        if levels[i] > levels[i - 1]
        and levels[i] >= levels[i + 1]
        and all(levels[i] - levels[i + step * sign] >= 7 for step in (4, 5, 6) for sign in (1, -1))
    ]
    found = [(level(sum(power[i - 1 : i + 2]) / 1.5), RATES[i], -6.025 - 0.275 * RATES[i]) for i in tonal]
    for band in range(25):
        rest = [i for i in range(1025) if int(RATES[i]) == band and all(abs(i - peak) > 3 for peak in tonal)]
        if whole := sum(power[i] for i in rest):
            place = sum(power[i] * RATES[i] for i in rest) / whole
            found.append((level(whole / 1.5), place, -2.025 - 0.175 * place))
    heard = [one for one in found if one[0] > QUIET[min(i for i in range(1025) if RATES[i] >= one[1] or i == 1024)]]
    return [one for one in heard if not any(abs(one[1] - other[1]) < 0.5 and other[0] > one[0] for other in heard)]


def slope(distance: float, strength: float) -> float:
    if distance < -1:
        return 17 * distance - 0.4 * strength + 11
    if distance < 0:
        return (0.4 * strength + 6) * distance
    if distance < 1:
        return -17 * distance
    return (0.15 * strength - 17) * distance - 0.15 * strength


def threshold(levels: list[float]) -> list[float]:
    kept = maskers(levels)
    return [
        10
        * math.log10(
            10 ** (quiet / 10)
            + sum(
                10 ** ((strength + offset + slope(rate - place, strength)) / 10)
                for strength, place, offset in kept
                if -3 <= rate - place < 8
            )
        )
        for rate, quiet in zip(RATES, QUIET, strict=True)
    ]


def noise(seed: int, size: float) -> torch.Tensor:
    return torch.randn(8192, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * size


def sines(*hertz: float) -> torch.Tensor:
    time = torch.arange(8192, dtype=torch.float64) / 16_000
    return sum((0.3 / n * torch.sin(2 * math.pi * one * time) for n, one in enumerate(hertz, 1)), torch.zeros_like(time))


CLIPS = {
    "notes": tones(0, 0.512).double(),
    "noise": noise(1, 0.1),
    "tones in soft noise": sines(440, 900, 1000, 3000, 7000) + noise(2, 1e-3),
    "a tone that stops": torch.cat([sines(1500)[:4000], noise(3, 1e-4)[:4192]]),
}


def test_rates_and_quiet_by_their_formulas() -> None:
    hertz = torch.tensor(HERTZ, dtype=torch.float64)
    assert bark(hertz).tolist() == pytest.approx(RATES) and absolute_threshold_db(hertz).tolist() == pytest.approx(QUIET)


@pytest.mark.parametrize("name", CLIPS)
def test_the_threshold_is_that_of_its_maskers(name: str) -> None:
    clip = CLIPS[name]
    found = masking(clip[None])
    spectra = [[level(power) for power in powers(clip, frame)] for frame in range(17)]
    gain = 96 - max(map(max, spectra))
    assert float(found.gain_db[0]) == pytest.approx(gain)
    for frame in FRAMES:
        expected = threshold([one + gain for one in spectra[frame]])
        assert found.threshold_db[0, :, frame].tolist() == pytest.approx(expected, abs=1e-6), frame


def test_a_perturbation_counts_with_the_power_of_the_band_around_each_bin() -> None:
    clip, change = CLIPS["notes"], noise(4, 0.02)
    found = masking(clip[None])
    levels = found.level_db(change[None])[0]
    for frame in FRAMES:
        power = powers(change, frame)
        for place in (0, 10, 500, 1024):
            band = sum(power[i] for i in range(1025) if abs(RATES[i] - RATES[place]) <= 0.5)
            assert float(levels[place, frame]) == pytest.approx(level(band / 1.5) + float(found.gain_db[0]))
    above = (levels - found.threshold_db[0]).clamp(min=0)
    assert masking_excess_db(clip, clip + change) == pytest.approx(float(above.mean()))
    assert masking_excess_share(clip, clip + change) == pytest.approx(float((above > 0).double().mean()))
    assert bool(((above > 0) & (above < 1)).any()), "some stand out by less than one decibel"


def test_excess_is_of_two_signals_of_one_shape() -> None:
    for clean, other in ((torch.ones(4), torch.ones(5)), (torch.ones(0), torch.ones(0)), (torch.ones(1, 4), torch.ones(1, 4))):
        for metric in (masking_excess_db, masking_excess_share):
            with pytest.raises(ValueError, match="one shape"):
                metric(clean, other)
