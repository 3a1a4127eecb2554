"""``noise``: random noise of the budget's size, so that "it works" means the attack and not the loudness."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from voiceattack.attacks.base import BudgetAttack, Params, generators
from voiceattack.attacks.problem import Problem

__all__ = ["Noise"]


class Noise(BudgetAttack):
    """White noise that fills the budget: Gaussian under a limit on the norm, uniform under a limit on samples alone.

    Under a band or a window it is noise in that band, in that window, of the same size.

    It asks nothing of the victim, so it runs against all of them and uses no queries.
    """

    name: ClassVar[str] = "noise"
    summary: ClassVar[str] = "equal-size random noise, the control"
    slows: ClassVar[bool] = True
    Params: ClassVar[type[Params]] = Params

    def search(self, problem: Problem) -> Tensor:
        clean = problem.clean
        delta = torch.zeros_like(clean.waveforms)
        radius, euclidean = problem.budget.search_radius(clean), problem.budget.euclidean
        for row, generator in enumerate(generators(problem)):
            length = int(clean.lengths[row])
            if euclidean:
                delta[row, :length] = torch.randn(length, generator=generator).to(delta)
            else:
                delta[row, :length] = (torch.rand(length, generator=generator) * 2 - 1).to(delta) * radius[row]
        if euclidean:
            # At a size that clips nothing, so that only band and window shape it.
            delta = problem.budget.support.project(1e-4 * delta / delta.norm(dim=1, keepdim=True).clamp(min=1e-12), clean)
            delta = delta / delta.norm(dim=1, keepdim=True).clamp(min=1e-12) * radius[:, None]
        return problem.realize(delta)
