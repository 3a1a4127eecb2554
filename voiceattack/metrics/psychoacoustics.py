"""How loud a sound may be in each part of time and frequency before another hides it no longer: the global masking threshold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from voiceattack.audio.clips import SAMPLE_RATE

__all__ = ["HOP", "N_FFT", "Masking", "absolute_threshold_db", "bark", "critical_bands", "masking"]

N_FFT = 2048
HOP = 512
PEAK_DB = 96.0  # the loudest bin of a clip is taken to be played at this sound pressure level (Lin & Abdulla 2015)
SILENT_DB = -200.0
TONAL_LEAD_DB = 7.0
TONAL_OFFSETS = (4, 5, 6)  # bins past the main lobe of the Hann window, 31 to 47 Hz
MAIN_LOBE = 3
HANN_NOISE_BANDWIDTH = 1.5  # power summed over bins counts a component this many times
NEAR_BARK = 0.5
ROWS = 32  # frames spread at once, which bounds the memory


def bark(hertz: Tensor) -> Tensor:
    """Critical-band rate in Bark of frequencies in Hz (Zwicker & Terhardt 1980)."""
    return 13.0 * torch.atan(0.00076 * hertz) + 3.5 * torch.atan((hertz / 7500.0).square())


def absolute_threshold_db(hertz: Tensor) -> Tensor:
    """Threshold of hearing in quiet, dB SPL, of frequencies in Hz (Terhardt 1979); below 20 Hz as at 20 Hz."""
    khz = hertz.clamp(min=20.0) / 1000.0
    return 3.64 * khz.pow(-0.8) - 6.5 * torch.exp(-0.6 * (khz - 3.3).square()) + 1e-3 * khz.pow(4)


@lru_cache(maxsize=4)
def critical_bands(bins: int) -> tuple[Tensor, Tensor]:
    """Of each of ``bins`` from 0 Hz to 8 kHz, the first bin within half a Bark and the one after the last, int64 (bins,)."""
    rates = bark(torch.linspace(0.0, SAMPLE_RATE / 2, bins, dtype=torch.float64))
    return torch.searchsorted(rates, rates - NEAR_BARK), torch.searchsorted(rates, rates + NEAR_BARK, right=True)


@dataclass(frozen=True)
class Masking:
    """The masking threshold of a batch of clips.

    Attributes:
        threshold_db: float (batch, bins, frames), dB SPL.
        gain_db: float (batch,), what takes a clip's own decibels to dB SPL.
    """

    threshold_db: Tensor
    gain_db: Tensor

    def level_db(self, waveforms: Tensor) -> Tensor:
        """Level of a perturbation on the threshold's scale, float (batch, bins, frames) in dB SPL, with gradients.

        At each bin it is that of the critical band around it, half a Bark to both sides, as a listener sums it: noise that fills
        a band is as audible as a tone of its whole power.

        Args:
            waveforms: float (batch, samples), of the clips' length.
        """
        power = _power(waveforms)
        first, after = critical_bands(power.shape[1])
        # Differences of sums up to each bin: in double precision, since what is far softer than the rest counts.
        sums = torch.nn.functional.pad(power.double().cumsum(dim=1), (0, 0, 1, 0))
        band = (sums[:, after.to(sums.device)] - sums[:, first.to(sums.device)]).to(power)
        return _decibels(band / HANN_NOISE_BANDWIDTH) + self.gain_db[:, None, None]

    def excess_db(self, perturbation: Tensor) -> Tensor:
        """How far a perturbation stands above the threshold, float (batch, bins, frames) in dB, zero where it is hidden."""
        return torch.relu(self.level_db(perturbation) - self.threshold_db)


def masking(waveforms: Tensor) -> Masking:
    """The global masking threshold of clips at 16 kHz: MPEG-1 psychoacoustic model 1, differentiable and batched.

    Tonal maskers (peaks that lead their surroundings by 7 dB) and noise maskers (the rest of each critical band) above the
    threshold in quiet, the strongest within half a Bark, each spread over the Bark scale; their powers and the threshold in
    quiet add up. After Lin & Abdulla 2015, as Schönherr et al. 2018 and Qin et al. 2019 use it. What differs from Qin et al.:
    noise maskers are kept, as in the standard (theirs takes every peak as tonal), and the spreading function is the standard's
    four-piece one; and what is held against the threshold is the perturbation's power in the critical band around each bin, not
    in the bin alone, in which noise would seem up to 20 dB softer than it is.

    Args:
        waveforms: float (batch, samples) in [-1, 1]; a clip of digital silence gets the threshold in quiet.

    Returns:
        Threshold and scale, with ``samples // 512 + 1`` frames of 2048-point Hann spectra.
    """
    power_db = _decibels(_power(waveforms))
    batch, bins, frames = power_db.shape
    peak = power_db.amax(dim=(1, 2))
    gain = torch.where(peak > SILENT_DB + 1.0, PEAK_DB - peak, torch.zeros_like(peak))
    levels = (power_db + gain[:, None, None]).transpose(1, 2).reshape(batch * frames, bins)
    hertz = torch.linspace(0.0, SAMPLE_RATE / 2, bins, device=levels.device, dtype=levels.dtype)
    rates, quiet = bark(hertz), absolute_threshold_db(hertz)
    parts = [_spread(rows, rates, quiet) for rows in torch.split(levels, ROWS)]
    return Masking(torch.cat(parts).reshape(batch, frames, bins).transpose(1, 2), gain)


def _power(waveforms: Tensor) -> Tensor:
    """Power float (batch, bins, frames); a full-scale sine peaks near 0.25."""
    window = torch.hann_window(N_FFT, device=waveforms.device, dtype=waveforms.dtype)
    spectrum = torch.stft(waveforms, N_FFT, HOP, window=window, center=True, pad_mode="constant", return_complex=True)
    return (spectrum.real.square() + spectrum.imag.square()) / window.sum().square()


def _decibels(power: Tensor) -> Tensor:
    """Power in dB, floored at -200 dB."""
    return 10.0 * power.clamp(min=10.0 ** (SILENT_DB / 10.0)).log10()


def _spread(levels: Tensor, rates: Tensor, quiet: Tensor) -> Tensor:
    """Threshold float (frames, bins) of spectra float (frames, bins), all in dB SPL."""
    strength, place, offset, kept = _only_kept(*_maskers(levels, rates, quiet))
    distance = rates[None, None, :] - place[:, :, None]
    x = strength[:, :, None]
    # Steeper toward low frequencies; toward high ones the flatter, the louder the masker.
    slope = torch.where(
        distance < -1.0,
        17.0 * distance - 0.4 * x + 11.0,
        torch.where(
            distance < 0.0,
            (0.4 * x + 6.0) * distance,
            torch.where(distance < 1.0, -17.0 * distance, (0.15 * x - 17.0) * distance - 0.15 * x),
        ),
    )
    reach = (distance >= -3.0) & (distance < 8.0) & kept[:, :, None]
    masked = torch.where(reach, x + offset[:, :, None] + slope, torch.full_like(slope, SILENT_DB))
    total = torch.pow(10.0, masked / 10.0).sum(dim=1) + torch.pow(10.0, quiet / 10.0)
    return 10.0 * total.log10()


def _only_kept(strength: Tensor, place: Tensor, offset: Tensor, kept: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The maskers without those that no frame keeps: most are not, and spreading is what costs."""
    most = max(1, int(kept.sum(dim=1).max()))
    first = kept.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :most]
    return strength.gather(1, first), place.gather(1, first), offset.gather(1, first), kept.gather(1, first)


def _maskers(levels: Tensor, rates: Tensor, quiet: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Strength in dB, place in Bark and offset in dB of each frame's maskers, float (frames, maskers), and which count, bool."""
    power = torch.pow(10.0, levels / 10.0)
    tonal = _tonal(levels)
    most = max(1, int(tonal.sum(dim=1).max()))
    joined = power + torch.nn.functional.pad(power[:, 1:], (0, 1)) + torch.nn.functional.pad(power[:, :-1], (1, 0))
    peaks = 10.0 * (joined / HANN_NOISE_BANDWIDTH).clamp(min=1e-30).log10()
    peaks = torch.where(tonal, peaks, torch.full_like(peaks, SILENT_DB))
    strength, index = peaks.topk(most, dim=1)
    place = rates[index]
    lobes = torch.nn.functional.max_pool1d(tonal.to(power)[:, None], 2 * MAIN_LOBE + 1, 1, MAIN_LOBE)[:, 0]
    rest = power * (1.0 - lobes)
    bands = torch.nn.functional.one_hot(rates.long()).to(power)
    sums = rest @ bands
    noise = 10.0 * (sums / HANN_NOISE_BANDWIDTH).clamp(min=1e-30).log10()
    noise_place = (rest * rates) @ bands / sums.clamp(min=1e-30)
    all_strength = torch.cat([strength, noise], dim=1)
    all_place = torch.cat([place, noise_place], dim=1)
    all_offset = torch.cat([-6.025 - 0.275 * place, -2.025 - 0.175 * noise_place], dim=1)
    nearest = torch.bucketize(all_place.detach(), rates).clamp(max=len(rates) - 1)
    audible = all_strength > quiet[nearest]
    near = (all_place[:, :, None] - all_place[:, None, :]).abs() < NEAR_BARK
    rank = torch.arange(all_strength.shape[1], device=levels.device)
    stronger = (all_strength[:, None, :] > all_strength[:, :, None]) | (
        (all_strength[:, None, :] == all_strength[:, :, None]) & (rank[None, None, :] < rank[None, :, None])
    )
    beaten = (near & stronger & audible[:, None, :]).any(dim=2)
    return all_strength, all_place, all_offset, audible & ~beaten


def _tonal(levels: Tensor) -> Tensor:
    """Where a spectrum peaks like a tone, bool (frames, bins)."""
    inner = levels.detach()
    peak = torch.zeros_like(inner, dtype=torch.bool)
    peak[:, 1:-1] = (inner[:, 1:-1] > inner[:, :-2]) & (inner[:, 1:-1] >= inner[:, 2:])
    for offset in TONAL_OFFSETS:
        for shifted in (inner.roll(offset, dims=1), inner.roll(-offset, dims=1)):
            peak &= inner - shifted >= TONAL_LEAD_DB
    edge = max(TONAL_OFFSETS)
    peak[:, :edge] = False
    peak[:, -edge:] = False
    return peak
