"""``pgd``: projected gradient descent, Foolbox's, on speech."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from foolbox.attacks import L2ProjectedGradientDescentAttack, LinfProjectedGradientDescentAttack
from pydantic import Field
from torch import Tensor

from voiceattack.attacks import base
from voiceattack.attacks.gradient.foolbox import SpeechSettings, run_foolbox
from voiceattack.attacks.gradient.optimizers import OptimizerKind, ScheduleKind, build_optimizer
from voiceattack.attacks.problem import Problem
from voiceattack.attacks.sequence import Stage, run_in_turn, split_steps
from voiceattack.victims.base import LOSSES, LossConfig, LossKind

__all__ = ["PGD"]


class PGD(base.BudgetAttack):
    """Projected gradient descent (Madry et al. 2018) within an SNR, L2 or L-inf budget, or several at once.

    What differs: momentum and a step that falls by a cosine; for untargeted attacks a loss that saturates per token, so that
    words already lost take no budget; the best candidate heard back is kept, not the last.
    """

    name: ClassVar[str] = "pgd"
    summary: ClassVar[str] = "projected gradient descent within a budget (Madry et al. 2018)"
    needs: ClassVar[frozenset[str]] = frozenset({"hears", "differentiates"})
    slows: ClassVar[bool] = True

    class Params(base.Params):
        """Parameters of ``pgd``; steps are fractions of the budget's radius."""

        steps: int = Field(100, ge=1, le=100_000, description="of all restarts together")
        step_size: float = Field(0.5, gt=0, le=2, description="the first step, as a fraction of the budget's radius")
        final_step: float = Field(0.1, gt=0, le=1, description="last step over first step, for the cosine schedule")
        momentum: float = Field(0.75, ge=0, lt=1, description="for the momentum optimiser")
        loss: LossKind = Field("ce", description=LOSSES)
        cap: float = Field(8.0, gt=0, description="untargeted: nats (ce) or logits (margin) a token at which its loss saturates")
        confidence: float = Field(1.0, ge=0, description="targeted margin: head-room in logits")
        hallucinate: bool = Field(True, description=base.HALLUCINATE)
        check_every: int = Field(20, ge=1, description="steps between two decodes")
        stop_at: float = Field(1.0, gt=0, description="untargeted: WER against the clean transcript at which a clip is done")
        past_success: bool = Field(False, description="take all steps, whatever has succeeded: head-room, for transfer")
        random_start: bool = Field(False, description="start at a random point of half the budget")
        diversity: float = Field(0.0, ge=0, le=1, description="share of steps on a shifted, louder or softer clip, for transfer")
        optimizer: OptimizerKind = Field("momentum", description="momentum, adam or sign: how a step follows from gradients")
        schedule: ScheduleKind = Field("cosine", description="cosine, constant, or plateau: halved where the loss stalls")
        restarts: int = Field(
            1,
            ge=1,
            le=1000,
            description="searches that share the steps; after the first from random points, on clips still unsuccessful",
        )

    config: Params

    @property
    def max_queries(self) -> int:
        return sum(steps // self.config.check_every + 1 for steps in self._parts())

    def _parts(self) -> list[int]:
        return split_steps(self.config.steps, [1] * self.config.restarts)

    def search(self, problem: Problem) -> Tensor:
        parts = self._parts()
        problem = problem.retargeted(self.config.hallucinate)
        if len(parts) == 1:
            return self._descend(problem, steps=parts[0], random_start=self.config.random_start)
        run_in_turn(
            problem,
            [
                Stage(
                    f"restart {number}" if number else "first start",
                    steps,
                    partial(self._descend, steps=steps, random_start=bool(number) or self.config.random_start),
                )
                for number, steps in enumerate(parts)
            ],
        )
        problem.tell(problem.max_steps)
        return problem.best()

    def _descend(self, problem: Problem, *, steps: int, random_start: bool) -> Tensor:
        """One search of ``steps`` steps."""
        c = self.config
        euclidean = problem.budget.euclidean
        loss = LossConfig(problem.direction, c.loss, c.cap if problem.direction == "away" else None, c.confidence)
        optimizer = partial(
            build_optimizer,
            kind=c.optimizer,
            schedule=c.schedule,
            steps=steps,
            momentum=c.momentum,
            final=c.final_step,
            linf=not euclidean,
        )
        return run_foolbox(
            problem,
            L2ProjectedGradientDescentAttack if euclidean else LinfProjectedGradientDescentAttack,
            SpeechSettings(loss, c.check_every, c.stop_at, c.past_success, optimizer, random_start, c.diversity),
            rel_stepsize=c.step_size,
            steps=steps,
        )
