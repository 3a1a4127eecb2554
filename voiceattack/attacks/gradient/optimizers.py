"""Update rules for gradient attacks: from a clip's gradient and a length, the step. Foolbox's loop calls them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Literal

import eagerpy as ep
import torch
from foolbox.attacks.gradient_descent_base import Optimizer
from torch import Tensor

from voiceattack.attacks.gradient.schedules import Constant, Cosine, Plateau, Schedule

__all__ = [
    "Adam",
    "ByTurns",
    "Momentum",
    "OptimizerKind",
    "Rule",
    "ScheduleKind",
    "Sign",
    "SpeechOptimizer",
    "TurnKind",
    "build_optimizer",
]

OptimizerKind = Literal["momentum", "adam", "sign"]
TurnKind = Literal["auto", "adam", "momentum"]
ScheduleKind = Literal["cosine", "constant", "plateau"]
TINY = 1e-12


class Rule(ABC):
    """A direction from the gradients so far, all float (batch, samples), made a step of the given length.

    Args:
        linf: whether a length bounds every sample (L-inf) instead of the clip's Euclidean norm (L2).
    """

    unit_gradients = False
    """Whether gradients are wanted with unit Euclidean norm under L-inf too; else they come as signs there, as Foolbox has it."""

    def __init__(self, linf: bool) -> None:
        self.linf = linf

    @abstractmethod
    def __call__(self, gradient: Tensor, length: float | Tensor) -> Tensor:
        """The ascent step, ``length`` (a number or float (batch, 1)) long."""

    def forget(self, rows: Sequence[int]) -> None:  # noqa: B027  (a rule without memory has nothing to do)
        """Drop the velocity of clips that were put back to an earlier point."""


class Momentum(Rule):
    """Heavy-ball momentum on normalised gradients: sign under L-inf, unit vector under L2."""

    def __init__(self, linf: bool, momentum: float) -> None:
        super().__init__(linf)
        self.momentum = momentum
        self.velocity: Tensor | None = None

    def __call__(self, gradient: Tensor, length: float | Tensor) -> Tensor:
        self.velocity = gradient if self.velocity is None else self.momentum * self.velocity + gradient
        return _sign(self.velocity, length) if self.linf else _unit(self.velocity, length)

    def forget(self, rows: Sequence[int]) -> None:
        if self.velocity is not None and rows:
            self.velocity = self.velocity.clone()
            self.velocity[list(rows)] = 0.0


class Adam(Rule):
    """Adam (Kingma & Ba 2015) on unit gradients; under L2 its direction alone counts, made a unit vector."""

    unit_gradients = True
    BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8

    def __init__(self, linf: bool) -> None:
        super().__init__(linf)
        self.first: Tensor | None = None
        self.second: Tensor | None = None
        self.done = 0

    def __call__(self, gradient: Tensor, length: float | Tensor) -> Tensor:
        self.done += 1
        first, second = (1 - self.BETA1) * gradient, (1 - self.BETA2) * gradient.square()
        self.first = first if self.first is None else self.BETA1 * self.first + first
        self.second = second if self.second is None else self.BETA2 * self.second + second
        mean = self.first / (1 - self.BETA1**self.done)
        spread = (self.second / (1 - self.BETA2**self.done)).sqrt()
        direction = mean / (spread + self.EPSILON)
        return length * direction if self.linf else _unit(direction, length)

    def forget(self, rows: Sequence[int]) -> None:
        if self.first is not None and rows:
            self.first = self.first.clone()
            self.first[list(rows)] = 0.0


class Sign(Rule):
    """The sign of the present gradient, without memory (Madry et al. 2018's L-inf step); under L2 scaled to the length."""

    def __call__(self, gradient: Tensor, length: float | Tensor) -> Tensor:
        return _sign(gradient, length) if self.linf else _unit(gradient.sign(), length)


class ByTurns:
    """Adam and momentum on the same gradients; each clip is moved by the one whose turn it is.

    Which of the two gets a clip quieter differs from clip to clip by 10 dB, so a search that is stuck does well to change over.

    Args:
        kind: ``adam`` or ``momentum`` throughout, or ``auto``: by turns.
        momentum: in [0, 1).
    """

    def __init__(self, kind: TurnKind, momentum: float) -> None:
        self.even: Rule = Momentum(linf=False, momentum=momentum) if kind == "momentum" else Adam(linf=False)
        self.odd: Rule = Adam(linf=False) if kind == "adam" else Momentum(linf=False, momentum=momentum)

    def __call__(self, gradient: Tensor, length: Tensor, turns: Sequence[int]) -> Tensor:
        """The ascent step, float (batch, samples), of norm ``length``, float (batch, 1); an odd turn is momentum's."""
        even, odd = self.even(gradient, length), self.odd(gradient, length)
        step: Tensor = torch.where(torch.tensor([turn % 2 == 1 for turn in turns], device=gradient.device)[:, None], odd, even)
        return step

    def forget(self, rows: Sequence[int]) -> None:
        """See :meth:`Rule.forget`."""
        self.even.forget(rows)
        self.odd.forget(rows)


class SpeechOptimizer(Optimizer):  # type: ignore[misc]
    """A rule and a schedule, as Foolbox's optimiser.

    Args:
        rule: makes steps.
        schedule: says how long they are.
        stepsize: the first step's length, in the scaled space (budget radius 1).
    """

    def __init__(self, rule: Rule, schedule: Schedule, stepsize: float) -> None:
        self.rule, self.schedule, self.stepsize = rule, schedule, stepsize
        self.done = 0
        self._return: Tensor | None = None

    def observe(self, z: Tensor, rows: Sequence[int], losses: Tensor, gradient: Tensor) -> Tensor:
        """Tell the schedule where the search is; the gradient to step along. See :meth:`Schedule.observe`."""
        start, back = self.schedule.observe(z, rows, losses, gradient)
        self.rule.forget(back)
        # Foolbox adds the step to its own point, so that a return is part of the step.
        self._return = start - z if back else None
        return self.schedule.gradient(gradient)

    def __call__(self, gradient: ep.Tensor) -> ep.Tensor:
        step = self.rule(gradient.raw, self.stepsize * self.schedule.factor(self.done))
        self.done += 1
        return ep.astensor(step if self._return is None else step + self._return)


def build_optimizer(
    x: ep.Tensor,
    stepsize: float,
    *,
    kind: OptimizerKind,
    schedule: ScheduleKind,
    steps: int,
    momentum: float,
    final: float,
    linf: bool,
) -> SpeechOptimizer:
    """The optimiser of one search.

    Args:
        x: the variable, for its shape.
        stepsize: first step, in the scaled space.
        kind, schedule: which rule and which schedule.
        steps: of this search.
        momentum: in [0, 1), for ``momentum``.
        final: last step over first step, for ``cosine``.
        linf: see :class:`Rule`.
    """
    rule: Rule = Adam(linf) if kind == "adam" else Sign(linf) if kind == "sign" else Momentum(linf, momentum)
    schedules: dict[str, Callable[[], Schedule]] = {
        "cosine": lambda: Cosine(steps, final),
        "constant": Constant,
        "plateau": lambda: Plateau(x.raw, steps),
    }
    return SpeechOptimizer(rule, schedules[schedule](), stepsize)


def _sign(direction: Tensor, length: float | Tensor) -> Tensor:
    return length * direction.sign()


def _unit(direction: Tensor, length: float | Tensor) -> Tensor:
    return length * direction / direction.square().sum(dim=-1, keepdim=True).sqrt().clamp(min=TINY)
