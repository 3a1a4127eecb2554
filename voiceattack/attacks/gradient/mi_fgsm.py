"""``mi-fgsm``: iterated gradient steps with momentum, Foolbox's, on speech."""

from __future__ import annotations

from typing import ClassVar

from foolbox.attacks import L2MomentumIterativeFastGradientMethod, LinfMomentumIterativeFastGradientMethod
from pydantic import Field
from torch import Tensor

from voiceattack.attacks import base
from voiceattack.attacks.gradient.foolbox import SpeechSettings, run_foolbox
from voiceattack.attacks.problem import Problem
from voiceattack.victims.base import LOSSES, LossConfig, LossKind

__all__ = ["MIFGSM"]


class MIFGSM(base.BudgetAttack):
    """Momentum iterative FGSM (Dong et al. 2018): gradients accumulate undamped (decay 1), each step has the same length.

    What differs: the default step is a fifth of the budget, as in Foolbox, not the budget over the number of steps.
    """

    name: ClassVar[str] = "mi-fgsm"
    summary: ClassVar[str] = "iterated gradient steps with momentum (Dong et al. 2018)"
    needs: ClassVar[frozenset[str]] = frozenset({"hears", "differentiates"})

    class Params(base.Params):
        """Parameters of ``mi-fgsm``; steps are fractions of the budget's radius."""

        steps: int = Field(30, ge=1, le=100_000, description="gradient steps")
        step_size: float = Field(0.2, gt=0, le=2, description="each step, as a fraction of the budget's radius")
        momentum: float = Field(1.0, ge=0, le=1, description="share of the gradients so far that is kept")
        loss: LossKind = Field("ce", description=LOSSES)
        check_every: int = Field(10, ge=1, description="steps between two decodes")
        stop_at: float = Field(1.0, gt=0, description="untargeted: WER against the clean transcript at which a clip is done")
        random_start: bool = Field(False, description="start at a random point of half the budget")
        diversity: float = Field(0.0, ge=0, le=1, description="share of steps on a shifted, louder or softer clip, for transfer")

    config: Params

    @property
    def max_queries(self) -> int:
        return self.config.steps // self.config.check_every + 1

    def search(self, problem: Problem) -> Tensor:
        c = self.config
        euclidean = problem.budget.euclidean
        return run_foolbox(
            problem,
            L2MomentumIterativeFastGradientMethod if euclidean else LinfMomentumIterativeFastGradientMethod,
            SpeechSettings(
                LossConfig(problem.direction, c.loss),
                c.check_every,
                c.stop_at,
                random_start=c.random_start,
                diversity=c.diversity,
            ),
            rel_stepsize=c.step_size,
            momentum=c.momentum,
            steps=c.steps,
        )
