"""``noise``: random noise of the budget's size, so that "it works" means the attack and not the loudness."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from voiceattack.attacks.base import BudgetAttack, Params, generators
from voiceattack.attacks.problem import Problem

__all__ = ["Noise"]


class Noise(BudgetAttack):
    """White noise that fills the budget: Gaussian under an SNR or L2 limit, uniform under an L-inf limit alone.

    It asks nothing of the victim, so it runs against all of them and uses no queries.
    """

    name: ClassVar[str] = "noise"
    summary: ClassVar[str] = "equal-size random noise, the control"
    Params: ClassVar[type[Params]] = Params

    def search(self, problem: Problem) -> Tensor:
        clean = problem.clean
        delta = torch.zeros_like(clean.waveforms)
        radius = problem.budget.l2_radius(clean)
        for row, generator in enumerate(generators(problem)):
            length = int(clean.lengths[row])
            if radius is None:
                assert problem.budget.linf is not None
                sample = (torch.rand(length, generator=generator) * 2 - 1) * problem.budget.linf
            else:
                sample = torch.randn(length, generator=generator)
                sample = sample / sample.norm() * radius[row].cpu()
            delta[row, :length] = sample.to(delta)
        return problem.realize(delta)
