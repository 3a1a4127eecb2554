"""``spsa``: simultaneous perturbation, the gradient estimated from scores along random signs, with Adam."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field

from voiceattack.attacks.score.base import GridAttack, GridSearch, best_start, random_signs
from voiceattack.attacks.score.gradient_estimate import antithetic

__all__ = ["SPSA"]


class SPSA(GridAttack):
    """Adam steps along a gradient estimated by simultaneous perturbation (Uesato et al. 2018).

    What differs: the gains of a time-frequency grid (:class:`~voiceattack.attacks.score.gain_grid.GainGrid`) in place of samples,
    and the best of some random starts in place of the clean clip.
    """

    name: ClassVar[str] = "spsa"
    summary: ClassVar[str] = "gradient estimated from scores along random signs, with Adam (Uesato et al. 2018)"

    class Params(GridAttack.Params):
        """Parameters of ``spsa``."""

        band_hz: float = Field(1000.0, ge=31.25, le=8000, description="height of a cell of the grid")
        slot_seconds: float = Field(0.128, ge=0.008, le=30, description="width of a cell")
        starts: int = Field(4, ge=1, le=1000, description="random starts, of which the best is taken")
        pairs: int = Field(10, ge=1, le=1024, description="directions a step, each asked about both ways")
        look: float = Field(0.5, gt=0, le=2, description="how far to look, in gains of -1 to 1")
        rate: float = Field(0.25, gt=0, le=2, description="Adam's step, in gains")

    config: Params

    def steps(self, shape: tuple[int, int], generator: torch.Generator) -> GridSearch:
        point, _ = yield from best_start(shape, self.config.starts, generator)
        point = point.clone().requires_grad_(True)
        optimizer = torch.optim.Adam([point], lr=self.config.rate, maximize=True)
        while True:
            directions = random_signs(self.config.pairs, *shape, generator=generator)
            point.grad = yield from antithetic(point.detach(), directions, self.config.look)
            optimizer.step()
            with torch.no_grad():
                point.clamp_(-1, 1)
