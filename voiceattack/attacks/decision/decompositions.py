"""A clip as a sum of components, spectral lines or principal components of its windows, of which the weakest are removed."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

__all__ = ["Components", "Fourier", "Segment", "Singular", "segments"]

AT_ONCE = 1 << 24  # numbers that a reconstruction holds at once, so that a long clip does not take the memory
TINY = 1e-30


class Segment(ABC):
    """One stretch of a clip, decomposed; its components are numbered from the weakest.

    Attributes:
        strength: float64 (components,), ascending energies.
        removed_energy: float64 (components + 1,), energy of what removing that many of the weakest takes away.
        length: samples.
    """

    strength: Tensor
    removed_energy: Tensor
    length: int

    @abstractmethod
    def weakest(self, count: int) -> Tensor:
        """The sum of the ``count`` weakest components, float32 (samples,)."""


class Fourier(Segment):
    """The lines of the discrete Fourier transform; energies add up exactly (Parseval).

    Args:
        clip: float (samples,), at least one.
    """

    def __init__(self, clip: Tensor) -> None:
        self.length = len(clip)
        self.spectrum = torch.fft.rfft(clip.double())
        double = torch.full((len(self.spectrum),), 2.0, dtype=torch.float64)
        double[0] = 1.0
        if self.length % 2 == 0:
            double[-1] = 1.0  # like the mean, the line at half the sample rate has no mirror
        energy = double * self.spectrum.abs().square() / self.length
        self.strength, self.order = energy.sort(stable=True)
        self.removed_energy = torch.cat([torch.zeros(1, dtype=torch.float64), self.strength.cumsum(0)])

    def weakest(self, count: int) -> Tensor:
        taken = torch.zeros_like(self.spectrum)
        rows = self.order[:count]
        taken[rows] = self.spectrum[rows]
        signal: Tensor = torch.fft.irfft(taken, n=self.length).float()
        return signal


class Singular(Segment):
    """Singular spectrum analysis: eigenvectors of the covariance of all windows of the clip, each window projected on them.

    A component is its rank-one part of the trajectory matrix, made a signal again by averaging over the antidiagonals. The
    eigenvectors are those of the small (window, window) covariance, and projection and averaging are convolutions, so that
    the trajectory matrix is never decomposed.

    Args:
        clip: float (samples,), at least one.
        window: samples of a window; at most half the clip is used.
    """

    def __init__(self, clip: Tensor, window: int) -> None:
        self.clip = clip.float()
        self.length = len(clip)
        self.window = max(1, min(window, self.length // 2))
        self.places = self.length - self.window + 1
        trajectory = self._trajectory().double()
        values, vectors = torch.linalg.eigh(trajectory @ trajectory.T)
        self.vectors = vectors.float()
        self.strength = values.clamp(min=0.0)
        place = torch.arange(self.length)
        edges = torch.stack([place + 1, self.length - place]).amin(dim=0)
        self.covered = edges.clamp(max=self.window).float()
        parts = self._signals(self.window, together=False)
        # Averaging leaves components not quite orthogonal: the energy of a sum needs all their products.
        products = (parts @ parts.T).double()
        whole = products.cumsum(0).cumsum(1).diagonal()
        self.removed_energy = torch.cat([torch.zeros(1, dtype=torch.float64), whole])

    def weakest(self, count: int) -> Tensor:
        return self._signals(count, together=True)[0] if count else torch.zeros(self.length)

    def _trajectory(self) -> Tensor:
        """All windows, float32 (window, places)."""
        return self.clip.unfold(0, self.places, 1).contiguous()

    def _signals(self, count: int, *, together: bool) -> Tensor:
        """The ``count`` weakest components, float32 (count, samples), or their sum, (1, samples)."""
        size = 1 << (self.length - 1).bit_length()
        trajectory = self._trajectory()
        kept: list[Tensor] = []
        total = torch.zeros(1, size // 2 + 1, dtype=torch.complex64)
        step = max(1, AT_ONCE // size)
        for start in range(0, count, step):
            vectors = self.vectors[:, start : min(count, start + step)].T
            spectra = torch.fft.rfft(vectors @ trajectory, n=size) * torch.fft.rfft(vectors, n=size)
            if together:
                total += spectra.sum(dim=0, keepdim=True)
            else:
                kept.append(torch.fft.irfft(spectra, n=size)[:, : self.length] / self.covered)
        return torch.fft.irfft(total, n=size)[:, : self.length] / self.covered if together else torch.cat(kept)


class Components:
    """All components of a clip in the order in which they are removed.

    Args:
        parts: the clip's segments in order.
        within: ``"clip"`` removes the weakest of the whole clip first, so that quiet passages go before loud ones;
            ``"segment"`` takes as large a share of the energy from every segment.
    """

    def __init__(self, parts: Sequence[Segment], within: Literal["clip", "segment"] = "clip") -> None:
        self.parts = list(parts)
        keys, steps, owners = [], [], []
        for index, part in enumerate(parts):
            share = part.strength.cumsum(0) / part.strength.sum().clamp(min=TINY)
            keys.append(part.strength if within == "clip" else share)
            steps.append(part.removed_energy.diff())
            owners.append(torch.full((len(part.strength),), index))
        order = torch.cat(keys).argsort(stable=True)
        self.owners = torch.cat(owners)[order]
        energy = torch.cat(steps)[order].cumsum(0)
        self.removed_energy = torch.cat([torch.zeros(1, dtype=torch.float64), energy])
        self.energy = sum(float(part.removed_energy[-1]) for part in parts)

    def __len__(self) -> int:
        return len(self.owners)

    def snr_db(self, count: int) -> float:
        """Signal-to-noise ratio in dB of the clip without its ``count`` weakest components; infinite where nothing goes."""
        removed = float(self.removed_energy[count])
        return math.inf if removed <= 0 else 10 * math.log10(self.energy / removed)

    def most_within(self, snr_db: float) -> int:
        """The most of the weakest components that can be removed at ``snr_db`` or above; falls as ``snr_db`` rises."""
        limit = self.energy * 10.0 ** (-snr_db / 10.0)
        return int((self.removed_energy.cummax(0).values <= limit).sum()) - 1

    def weakest(self, count: int) -> Tensor:
        """The sum of the ``count`` weakest components, float32 (samples,)."""
        taken = self.owners[:count].bincount(minlength=len(self.parts)).tolist()
        return torch.cat([part.weakest(number) for part, number in zip(self.parts, taken, strict=True)])


def segments(clip: Tensor, samples: int) -> list[Tensor]:
    """``clip`` float (length,) cut into stretches of at most ``samples``, of equal length but for one sample."""
    return list(clip.tensor_split(max(1, math.ceil(len(clip) / samples))))
