"""``pgd``: projected gradient descent, Foolbox's, on speech."""

from __future__ import annotations

from typing import ClassVar, Literal

import eagerpy as ep
from foolbox.attacks import L2ProjectedGradientDescentAttack, LinfProjectedGradientDescentAttack
from pydantic import Field
from torch import Tensor

from voiceattack.attacks import base
from voiceattack.attacks.foolbox_adapter import MomentumCosine, SpeechSettings, run_foolbox
from voiceattack.attacks.problem import Problem
from voiceattack.victims.base import LossConfig

__all__ = ["PGD"]


class PGD(base.BudgetAttack):
    """Projected gradient descent (Madry et al. 2018) within an SNR, L2 or L-inf budget, or several at once.

    What differs: momentum and a step that falls by a cosine; for untargeted attacks a loss that saturates per token, so that
    words already lost take no budget; the best candidate heard back is kept, not the last.
    """

    name: ClassVar[str] = "pgd"
    summary: ClassVar[str] = "projected gradient descent within a budget (Madry et al. 2018)"
    needs: ClassVar[frozenset[str]] = frozenset({"hears", "differentiates"})

    class Params(base.Params):
        """Parameters of ``pgd``; steps are fractions of the budget's radius."""

        steps: int = Field(100, ge=1, le=100_000)
        step_size: float = Field(0.5, gt=0, le=2)
        final_step: float = Field(0.1, gt=0, le=1, description="last step over first step")
        momentum: float = Field(0.75, ge=0, lt=1)
        loss: Literal["ce", "margin"] = "ce"
        cap: float = Field(8.0, gt=0, description="untargeted: nats (ce) or logits (margin) a token at which its loss saturates")
        confidence: float = Field(1.0, ge=0, description="targeted margin: head-room in logits")
        check_every: int = Field(20, ge=1)
        stop_at: float = Field(1.0, gt=0, description="untargeted: WER against the clean transcript at which a clip is done")
        random_start: bool = False

    config: Params

    @property
    def max_queries(self) -> int:
        return self.config.steps // self.config.check_every + 1

    def search(self, problem: Problem) -> Tensor:
        c = self.config
        euclidean = problem.budget.l2_radius(problem.clean) is not None
        loss = LossConfig(
            problem.objective.direction, c.loss, c.cap if problem.objective.direction == "away" else None, c.confidence
        )

        def optimizer(x: ep.Tensor, stepsize: float) -> MomentumCosine:
            return MomentumCosine(x, stepsize, momentum=c.momentum, steps=c.steps, final=c.final_step, sign=not euclidean)

        return run_foolbox(
            problem,
            L2ProjectedGradientDescentAttack if euclidean else LinfProjectedGradientDescentAttack,
            SpeechSettings(loss, c.check_every, c.stop_at, optimizer, c.random_start),
            rel_stepsize=c.step_size,
            steps=c.steps,
        )
