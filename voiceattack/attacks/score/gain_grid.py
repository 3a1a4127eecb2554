"""Perturbations of few dimensions: gains on a coarse grid of time and frequency, in phase with the clip itself."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["GainGrid"]

WIDTH = 512  # samples of a frame
HOP = 128
ROUNDS = 3  # of finding the level at which the budget is filled


class GainGrid:
    """One clip's perturbations, each given by gains float (bands, slots), about -1 to 1.

    A recogniser hears the logarithm of energies in bands, so that most decibels of change per energy spent are had where the clip
    is weak, and by moving all bins of a cell alike rather than at random. A gain's perturbation is the clip's own short-time
    spectrum in that cell, with its phase and its magnitudes raised to ``whiten`` (near 0: nearly flat), so that a positive gain
    fills what is weak, a negative one takes away what is there, and never more than that. All gains share one level, which fills
    the budget: who takes less away has more to add elsewhere.

    The grid stands where other search spaces have pixels or samples; removing weak components is Abdullah et al. 2020
    (Kenansville), here cell by cell and with its opposite.

    Args:
        clip: float (samples,).
        radius: Euclidean norm of the perturbations.
        sample_rate: Hz.
        band_hz: height of a cell.
        slot_seconds: its width.
        low_hz, high_hz: where cells begin and end.
        whiten: power of the clip's magnitudes, 0 (flat) to 1 (as loud as the clip in each bin).
    """

    def __init__(
        self,
        clip: Tensor,
        radius: float,
        sample_rate: int,
        *,
        band_hz: float,
        slot_seconds: float,
        low_hz: float,
        high_hz: float,
        whiten: float,
    ) -> None:
        self._samples, self._radius = len(clip), radius
        self._window = torch.hann_window(WIDTH, device=clip.device)
        # A clip shorter than a frame has room to be reflected in.
        padded = torch.nn.functional.pad(clip, (0, max(0, WIDTH - len(clip))))
        self._padded = len(padded)
        spectrum = torch.stft(padded, WIDTH, HOP, window=self._window, return_complex=True)
        self._magnitude = spectrum.abs()
        self._phase = spectrum / self._magnitude.clamp(min=1e-9)
        bins, frames = spectrum.shape
        hertz = sample_rate / WIDTH
        self._low = max(1, min(bins - 1, round(low_hz / hertz)))
        self._high = max(self._low + 1, min(bins, round(high_hz / hertz) + 1))
        self._tall = max(1, round(band_hz / hertz))
        self._wide = max(1, round(slot_seconds * sample_rate / HOP))
        self._shape = self._magnitude.clamp(min=1e-9) ** whiten
        self.bands = -(-(self._high - self._low) // self._tall)
        self.slots = -(-frames // self._wide)
        every = torch.ones(1, self.bands, self.slots, device=clip.device)
        self._level = radius / float(self._wave(self._cells(every) * self._shape).norm())

    def perturbation(self, gains: Tensor) -> Tensor:
        """Perturbations float (population, samples), of norm ``radius`` or zero, from gains float (population, bands, slots).

        Differentiable nowhere: levels are found by trying.
        """
        gains = gains.to(self._magnitude)
        cells = self._cells(gains) * self._shape
        level = torch.full((len(gains), 1, 1), self._level, device=cells.device)
        for _ in range(ROUNDS):
            wave = self._wave(torch.maximum(cells * level, -self._magnitude))
            norm = wave.norm(dim=1)
            level = level * (self._radius / norm.clamp(min=1e-9))[:, None, None].clamp(max=1e3)
        filled: Tensor = wave * (self._radius / norm.clamp(min=1e-9))[:, None]
        return filled

    def _cells(self, gains: Tensor) -> Tensor:
        """Gains of cells as gains of bins, float (population, bins, frames)."""
        bins, frames = self._magnitude.shape
        fine = gains.repeat_interleave(self._tall, dim=1)[:, : self._high - self._low]
        fine = fine.repeat_interleave(self._wide, dim=2)[:, :, :frames]
        return torch.nn.functional.pad(fine, (0, 0, self._low, bins - self._high))

    def _wave(self, magnitudes: Tensor) -> Tensor:
        spectrum = magnitudes * self._phase
        wave = torch.istft(spectrum, WIDTH, HOP, window=self._window, length=self._padded)
        return wave[:, : self._samples]
