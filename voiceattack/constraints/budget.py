"""Budgets: any combination of limits on a perturbation, and the projection that holds all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from voiceattack.audio.clips import Batch, quantize16
from voiceattack.constraints.band import Band
from voiceattack.constraints.masking import Hiding
from voiceattack.constraints.strict import Strict
from voiceattack.constraints.window import Window
from voiceattack.errors import SpecError

__all__ = ["Budget"]

ROUNDS = 12  # of band, window and masking in turn, until all hold
TINY = 1e-30


@dataclass(frozen=True)
class Budget:
    """Any combination of limits on the perturbation; every limit given holds at once, clip by clip.

    Attributes:
        snr_db: least signal-to-noise ratio, ``10 log10(sum clean^2 / sum delta^2)``, in dB.
        linf: most change of any sample, as a fraction of full scale, in (0, 1].
        l2: most Euclidean norm of the perturbation, full scale 1, > 0.
        db_x: highest peak of the perturbation relative to the clip's peak, in dB (Carlini & Wagner 2018).
        masking_excess_db: most excess over the masking threshold, mean over time-frequency bins, in dB, > 0. What rounding to 16
            bits adds alone can exceed limits under some hundredths of a dB.
        masking_excess_max_db: most excess over the masking threshold of any time-frequency bin, in dB; 0.1 is strictly masked, -3
            hidden 3 dB under the threshold. Where a pause hides not even what rounding to 16 bits adds, nothing is changed.
        band: ``"LOW-HIGH"`` in Hz: where in the spectrum the perturbation may lie. Outside, -20 dB of it are tolerated (a time
            window spreads it), and what rounding to 16 bits adds.
        window: ``"speech"``, ``"START-END"`` or ``"START-"`` in seconds: when the perturbation may be on.

    Raises:
        SpecError: a limit is out of range.
    """

    snr_db: float | None = None
    linf: float | None = None
    l2: float | None = None
    db_x: float | None = None
    masking_excess_db: float | None = None
    masking_excess_max_db: float | None = None
    band: str | None = None
    window: str | None = None

    def __post_init__(self) -> None:
        if self.snr_db is not None and not -20.0 <= self.snr_db <= 120.0:
            raise SpecError(f"snr_db must lie in [-20, 120] dB, got {self.snr_db}")
        if self.linf is not None and not 0.0 < self.linf <= 1.0:
            raise SpecError(f"linf must lie in (0, 1], a fraction of full scale, got {self.linf}")
        if self.l2 is not None and not 0.0 < self.l2 < math.inf:
            raise SpecError(f"l2 must be > 0 and finite, got {self.l2}")
        if self.db_x is not None and not -120.0 <= self.db_x <= 20.0:
            raise SpecError(f"db_x must lie in [-120, 20] dB, got {self.db_x}; -30 is a peak 30 dB under the clip's")
        if self.masking_excess_db is not None and not 0.0 < self.masking_excess_db <= 100.0:
            raise SpecError(f"masking_excess_db must lie in (0, 100] dB, got {self.masking_excess_db}")
        if self.masking_excess_max_db is not None and not -60.0 <= self.masking_excess_max_db <= 100.0:
            raise SpecError(f"masking_excess_max_db must lie in [-60, 100] dB, got {self.masking_excess_max_db}")
        if self.band is not None:
            Band.parse(self.band)
        if self.window is not None:
            Window.parse(self.window)

    def __bool__(self) -> bool:
        """Whether it bounds how large the perturbation is; a band or a window alone does not."""
        sizes = (self.snr_db, self.linf, self.l2, self.db_x, self.masking_excess_db, self.masking_excess_max_db)
        return any(limit is not None for limit in sizes)

    @cached_property
    def _band(self) -> Band | None:
        return None if self.band is None else Band.parse(self.band)

    @cached_property
    def _window(self) -> Window | None:
        return None if self.window is None else Window.parse(self.window)

    @cached_property
    def _hiding(self) -> Hiding | None:
        return None if self.masking_excess_db is None else Hiding(self.masking_excess_db)

    @cached_property
    def _strict(self) -> Strict | None:
        return None if self.masking_excess_max_db is None else Strict(self.masking_excess_max_db)

    @property
    def support(self) -> Budget:
        """Its band and window alone: where a perturbation may be, of any size."""
        return Budget(band=self.band, window=self.window)

    @property
    def euclidean(self) -> bool:
        """Whether a search moves in a Euclidean ball; under limits on samples alone it moves in a cube."""
        return self.snr_db is not None or self.l2 is not None or (self.linf is None and self.db_x is None)

    def l2_radius(self, clean: Batch) -> Tensor | None:
        """Largest allowed Euclidean norm a clip, float (batch,), from ``snr_db`` and ``l2``; None when neither is set."""
        if self.snr_db is None and self.l2 is None:
            return None
        norms = (clean.waveforms * clean.mask()).norm(dim=1)
        radius = torch.full_like(norms, float("inf") if self.l2 is None else self.l2)
        return radius if self.snr_db is None else torch.minimum(radius, norms * 10.0 ** (-self.snr_db / 20.0))

    def linf_radius(self, clean: Batch) -> Tensor | None:
        """Largest allowed change of a sample a clip, float (batch,), from ``linf`` and ``db_x``; None when neither is set."""
        if self.linf is None and self.db_x is None:
            return None
        peaks = (clean.waveforms * clean.mask()).abs().amax(dim=1)
        radius = torch.full_like(peaks, float("inf") if self.linf is None else self.linf)
        return radius if self.db_x is None else torch.minimum(radius, peaks * 10.0 ** (self.db_x / 20.0))

    def search_radius(self, clean: Batch) -> Tensor:
        """Radius of the ball or cube (see :attr:`euclidean`) in which a search moves, float (batch,).

        Under a masking limit alone there is no such ball; its radius is then the norm of white noise cut to that limit.
        """
        radius = self.l2_radius(clean) if self.euclidean else self.linf_radius(clean)
        if radius is not None:
            return radius
        # Each clip's noise has its own length, so that no neighbour changes it.
        noise = torch.zeros_like(clean.waveforms)
        for row, clip in zip(noise, clean.clips(), strict=True):
            own = torch.randn(len(clip), generator=torch.Generator().manual_seed(0)).to(clip)
            row[: len(clip)] = own * (clip.norm() / own.norm())
        found: Tensor = self.project(noise, clean).norm(dim=1)
        return found

    def project(self, delta: Tensor, clean: Batch) -> Tensor:
        """The perturbation made to fit: zero in the padding, ``clean + delta`` in [-1, 1], every limit held.

        Limits on size only move samples toward zero or scale the whole perturbation down, which no other limit minds. Band,
        window and masking limit are taken in turn until all hold; what will not fit becomes zero. What fits already is left
        alone, so a second projection changes nothing.

        Args:
            delta: float (batch, samples).
            clean: the clips it is added to.
        """
        mask = clean.mask()
        if self._window is not None:
            mask = mask.clone()
            for row, clip in zip(mask, clean.clips(), strict=True):
                row[: len(clip)] &= self._window.mask(clip)
        if self._strict is not None:
            mask = mask.clone()
            for row, clip in zip(mask, clean.clips(), strict=True):
                row[: len(clip)] &= self._strict.changeable(clip)
        limits = self.linf_radius(clean)
        delta = _cut(delta, clean.waveforms, mask, limits)
        if self._band is not None or self._hiding is not None or self._strict is not None:
            delta = delta.clone()
            for row, length in enumerate(clean.lengths.tolist()):
                limit = None if limits is None else limits[row]
                clip = clean.waveforms[row, :length]
                delta[row, :length] = self._shape(delta[row, :length], clip, mask[row, :length], limit)
        radius = self.l2_radius(clean)
        if radius is not None:
            norms = delta.norm(dim=1)
            scale = torch.where(norms > radius, radius / norms.clamp(min=TINY), torch.ones_like(norms))
            delta = delta * scale[:, None]
        return delta

    def _shape(self, delta: Tensor, clip: Tensor, mask: Tensor, limit: Tensor | None) -> Tensor:
        """Band and masking limits of one clip, float (samples,), without leaving the window or the cube."""
        band, masked = self._band, [limit for limit in (self._hiding, self._strict) if limit is not None]
        for _ in range(ROUNDS):
            before = delta
            for one in masked:
                delta = one.attenuate(clip, delta)
            if delta is before and (band is None or band.holds(delta)):
                return delta
            if band is not None:
                delta = band.inside(delta)
            delta = _cut(delta, clip, mask, limit)
        if band is not None and not band.holds(delta):
            return torch.zeros_like(delta)
        return delta * min((one.scale(clip, delta) for one in masked), default=1.0)

    def rounded(self, delta: Tensor, clip: Tensor) -> Tensor:
        """One clip with what fits, float (samples,), on the 16-bit grid; rounding may break all limits but the strict one."""
        return quantize16(clip + delta) if self._strict is None else self._strict.rounded(clip, delta)

    def excess(self, clean: Tensor, adversarial: Tensor) -> float:
        """How many times over its tightest limit the perturbation of one clip is; at most 1 means within budget.

        Args:
            clean: float (samples,).
            adversarial: float (samples,).
        """
        clean64, delta = clean.double(), adversarial.double() - clean.double()
        if not bool((delta != 0).any()):
            return 0.0
        norm, peak = float(delta.norm()), float(delta.abs().max())
        ratios = [0.0]
        if self.linf is not None:
            ratios.append(peak / self.linf)
        if self.db_x is not None:
            ratios.append(_ratio(peak, float(clean64.abs().max()) * 10.0 ** (self.db_x / 20.0)))
        if self.l2 is not None:
            ratios.append(norm / self.l2)
        if self.snr_db is not None:
            ratios.append(_ratio(norm, float(clean64.norm()) * 10.0 ** (-self.snr_db / 20.0)))
        if self._window is not None and bool((delta[~self._window.mask(clean)] != 0).any()):
            ratios.append(float("inf"))
        if self._band is not None:
            ratios.append(self._band.excess(delta))
        if self._hiding is not None:
            ratios.append(self._hiding.excess_db(clean, delta.to(clean)) / self._hiding.limit_db)
        if self._strict is not None:
            ratios.append(10.0 ** ((self._strict.excess_db(clean, delta.to(clean)) - self._strict.limit_db) / 20.0))
        return max(ratios)

    def as_dict(self) -> dict[str, Any]:
        """The limits set, JSON-safe."""
        limits = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: limit for name, limit in limits.items() if limit is not None}


def _cut(delta: Tensor, waveforms: Tensor, mask: Tensor, limits: Tensor | None) -> Tensor:
    """Zero outside the mask, ``waveforms + delta`` in [-1, 1], samples within ``limits`` (one a clip): moves toward zero only."""
    delta = torch.where(mask, delta, torch.zeros_like(delta))
    delta = (waveforms + delta).clamp(-1.0, 1.0) - waveforms
    return delta if limits is None else torch.minimum(torch.maximum(delta, -limits[..., None]), limits[..., None])


def _ratio(size: float, allowed: float) -> float:
    return size / allowed if allowed > 0 else float("inf")
