"""``nes``: natural evolution strategies, the gradient estimated from scores along Gaussian directions."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from voiceattack.attacks.score.base import GridAttack, GridSearch, best_start
from voiceattack.attacks.score.gradient_estimate import antithetic

__all__ = ["NES"]


class NES(GridAttack):
    """Signed steps along a gradient estimated by antithetic Gaussian sampling (Ilyas et al. 2018).

    What differs: the gains of a time-frequency grid (:class:`~voiceattack.attacks.score.gain_grid.GainGrid`) in place of samples,
    some hundred dimensions for some ten thousand, and the best of some random starts in place of the clean clip.
    """

    name: ClassVar[str] = "nes"
    summary: ClassVar[str] = "gradient estimated from scores along Gaussian directions (Ilyas et al. 2018)"

    class Params(GridAttack.Params):
        """Parameters of ``nes``."""

        band_hz: float = Field(1000.0, ge=31.25, le=8000, description="height of a cell of the grid")
        slot_seconds: float = Field(0.128, ge=0.008, le=30, description="width of a cell")
        starts: int = Field(4, ge=1, le=1000, description="random starts, of which the best is taken")
        pairs: int = Field(10, ge=1, le=1024, description="directions a step, each asked about both ways")
        sigma: float = Field(0.5, gt=0, le=2, description="how far to look, in gains of -1 to 1")
        rate: float = Field(0.25, gt=0, le=2, description="step, in gains")
        momentum: float = Field(0.7, ge=0, lt=1, description="how much of the gradient before is kept")

    config: Params

    def steps(self, shape: tuple[int, int], generator: torch.Generator) -> GridSearch:
        point, _ = yield from best_start(shape, self.config.starts, generator)
        mean = torch.zeros(shape)
        while True:
            directions = torch.randn(self.config.pairs, *shape, generator=generator)
            gradient = yield from antithetic(point, directions, self.config.sigma)
            mean = self.config.momentum * mean + (1 - self.config.momentum) * _unit(gradient)
            point = (point + self.config.rate * mean.sign()).clamp(-1, 1)


def _unit(gradient: Tensor) -> Tensor:
    """Scores of different steps have different scales; directions have not."""
    unit: Tensor = gradient / gradient.norm().clamp(min=1e-12)
    return unit
