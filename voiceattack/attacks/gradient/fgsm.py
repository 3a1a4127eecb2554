"""``fgsm``: one gradient step, Foolbox's, on speech."""

from __future__ import annotations

from typing import ClassVar

from foolbox.attacks import L2FastGradientAttack, LinfFastGradientAttack
from pydantic import Field
from torch import Tensor

from voiceattack.attacks import base
from voiceattack.attacks.gradient.foolbox import SpeechSettings, run_foolbox
from voiceattack.attacks.problem import Problem
from voiceattack.victims.base import LOSSES, LossConfig, LossKind

__all__ = ["FGSM"]


class FGSM(base.BudgetAttack):
    """The fast gradient method (Goodfellow et al. 2015): one step of the whole budget, sign under L-inf, unit vector under L2."""

    name: ClassVar[str] = "fgsm"
    summary: ClassVar[str] = "one gradient step (Goodfellow et al. 2015)"
    needs: ClassVar[frozenset[str]] = frozenset({"hears", "differentiates"})

    class Params(base.Params):
        """Parameters of ``fgsm``."""

        loss: LossKind = Field("ce", description=LOSSES)
        random_start: bool = Field(False, description="start at a random point of half the budget (Wong et al. 2020)")

    config: Params

    @property
    def max_steps(self) -> int:
        return 1

    @property
    def max_queries(self) -> int:
        return 1

    def search(self, problem: Problem) -> Tensor:
        euclidean = problem.budget.euclidean
        return run_foolbox(
            problem,
            L2FastGradientAttack if euclidean else LinfFastGradientAttack,
            SpeechSettings(LossConfig(problem.direction, self.config.loss), random_start=self.config.random_start),
        )
