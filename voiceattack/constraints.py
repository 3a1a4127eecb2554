"""What the attacker may change: budgets that compose, each a projection."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from voiceattack.audio import Batch
from voiceattack.errors import SpecError

__all__ = ["Budget"]


@dataclass(frozen=True)
class Budget:
    """Any combination of limits on the perturbation; every limit given holds at once, clip by clip.

    Attributes:
        snr_db: least signal-to-noise ratio, ``10 log10(sum clean^2 / sum delta^2)``, in dB.
        linf: most change of any sample, as a fraction of full scale, in (0, 1].
        l2: most Euclidean norm of the perturbation, full scale 1, > 0.

    Raises:
        SpecError: a limit is out of range.
    """

    snr_db: float | None = None
    linf: float | None = None
    l2: float | None = None

    def __post_init__(self) -> None:
        if self.snr_db is not None and not -20.0 <= self.snr_db <= 120.0:
            raise SpecError(f"snr_db must lie in [-20, 120] dB, got {self.snr_db}")
        if self.linf is not None and not 0.0 < self.linf <= 1.0:
            raise SpecError(f"linf must lie in (0, 1], a fraction of full scale, got {self.linf}")
        if self.l2 is not None and not self.l2 > 0.0:
            raise SpecError(f"l2 must be > 0, got {self.l2}")

    def __bool__(self) -> bool:
        return any(limit is not None for limit in (self.snr_db, self.linf, self.l2))

    def l2_radius(self, clean: Batch) -> Tensor | None:
        """Largest allowed Euclidean norm a clip, float (batch,), from ``snr_db`` and ``l2``; None when neither is set."""
        if self.snr_db is None and self.l2 is None:
            return None
        norms = (clean.waveforms * clean.mask()).norm(dim=1)
        radius = torch.full_like(norms, float("inf") if self.l2 is None else self.l2)
        return radius if self.snr_db is None else torch.minimum(radius, norms * 10.0 ** (-self.snr_db / 20.0))

    def project(self, delta: Tensor, clean: Batch) -> Tensor:
        """The perturbation made to fit: zero in the padding, ``clean + delta`` in [-1, 1], every limit held.

        Each step only moves samples toward zero or scales the whole perturbation down, which no earlier limit minds, so one
        pass suffices and a second changes nothing.

        Args:
            delta: float (batch, samples).
            clean: the clips it is added to.
        """
        delta = torch.where(clean.mask(), delta, torch.zeros_like(delta))
        delta = (clean.waveforms + delta).clamp(-1.0, 1.0) - clean.waveforms
        if self.linf is not None:
            delta = delta.clamp(-self.linf, self.linf)
        radius = self.l2_radius(clean)
        if radius is not None:
            norms = delta.norm(dim=1)
            scale = torch.where(norms > radius, radius / norms.clamp(min=1e-30), torch.ones_like(norms))
            delta = delta * scale[:, None]
        return delta

    def excess(self, clean: Tensor, adversarial: Tensor) -> float:
        """How many times over its tightest limit the perturbation of one clip is; at most 1 means within budget.

        Args:
            clean: float (samples,).
            adversarial: float (samples,).
        """
        clean64, delta = clean.double(), adversarial.double() - clean.double()
        ratios = [0.0]
        if self.linf is not None:
            ratios.append(float(delta.abs().max()) / self.linf)
        if self.l2 is not None:
            ratios.append(float(delta.norm()) / self.l2)
        if self.snr_db is not None:
            allowed = float(clean64.norm()) * 10.0 ** (-self.snr_db / 20.0)
            norm = float(delta.norm())
            ratios.append(norm / allowed if allowed > 0 else (float("inf") if norm > 0 else 0.0))
        return max(ratios)

    def as_dict(self) -> dict[str, float]:
        """The limits set, JSON-safe."""
        limits = {"snr_db": self.snr_db, "linf": self.linf, "l2": self.l2}
        return {name: limit for name, limit in limits.items() if limit is not None}
