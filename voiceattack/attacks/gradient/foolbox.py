"""Foolbox's gradient-descent attacks on speech: the search is theirs, loss, geometry and judgement are voiceattack's.

Foolbox takes one epsilon for the whole batch and labels as targets. Here each clip is searched in its own scaled space, where
its budget has radius 1, and a criterion judges transcripts. The adapter keeps, for each clip, the best candidate among those
heard back, and leaves a clip alone once it is done.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import eagerpy as ep
import torch
from foolbox.attacks.gradient_descent_base import BaseGradientDescent, Optimizer, normalize_lp_norms
from foolbox.criteria import Misclassification
from foolbox.models.base import Model
from torch import Tensor

from voiceattack.attacks.base import generators
from voiceattack.attacks.clip_log import Heard
from voiceattack.attacks.gradient.diversity import diverse
from voiceattack.attacks.gradient.optimizers import SpeechOptimizer
from voiceattack.attacks.problem import Problem
from voiceattack.victims.base import LossConfig

__all__ = ["SpeechSettings", "run_foolbox"]

FAR = 1e12  # bounds of the scaled space: the true bounds differ by clip and are kept by the budget's projection


@dataclass(frozen=True)
class SpeechSettings:
    """How an adapted attack computes its loss and when it listens.

    Attributes:
        loss: the victim's attack loss.
        check_every: steps between two looks at the candidates through the ordinary path.
        stop_at: nearness (WER from clean) at which an untargeted clip is done; a targeted or mute clip is done at success.
        past_success: whether a clip is never done, so that it gains head-room.
        optimizer: builds Foolbox's optimiser, or None for the attack's own.
        random_start: whether to start at a random point of half the budget.
        diversity: probability with which a step's gradient is taken of a varied clip
            (:mod:`voiceattack.attacks.gradient.diversity`).
    """

    loss: LossConfig
    check_every: int = 10
    stop_at: float = 1.0
    past_success: bool = False
    optimizer: Callable[[ep.Tensor, float], Optimizer] | None = None
    random_start: bool = False
    diversity: float = 0.0


class _Done(Exception):
    """Every clip is finished: leave Foolbox's loop."""


class _Identity(Model):  # type: ignore[misc]
    """Foolbox wants a model with bounds; transcripts are judged in the criterion, so this one only passes inputs on."""

    @property
    def bounds(self) -> Any:
        from foolbox.types import Bounds

        return Bounds(-FAR, FAR)

    def __call__(self, inputs: Any) -> Any:
        return inputs


class _Search:
    """State of one adapted run: the scaled space, and each clip's best candidate so far."""

    def __init__(self, problem: Problem, settings: SpeechSettings) -> None:
        self.problem, self.settings = problem, settings
        clean = problem.clean
        self.scale = problem.budget.search_radius(clean).clamp(min=1e-12)[:, None]
        self.z0 = clean.waveforms / self.scale
        self.best: list[Heard | None] = [None] * len(clean)
        self.active = list(range(len(clean)))
        self.done = 0
        self.generators = generators(problem)
        self.optimizer: Optimizer | None = None

    def delta(self, z: Tensor) -> Tensor:
        return (z - self.z0) * self.scale

    def gradient(self, z: Tensor) -> Tensor:
        """Ascent direction of the negated attack loss, zero for finished clips; listens to the candidates when it is time."""
        rows = list(self.active)
        waveforms = (self.problem.clean.waveforms + self.delta(z))[rows].detach().requires_grad_(True)
        listening = bool(self.done) and self.done % self.settings.check_every == 0
        heard = waveforms
        if self.settings.diversity and not listening:
            lengths = [int(self.problem.clean.lengths[row]) for row in rows]
            heard = diverse(waveforms, [self.generators[row] for row in rows], self.settings.diversity, lengths)
        result = self.problem.attack_loss(heard, rows, self.settings.loss)
        (grad,) = torch.autograd.grad(-result.loss.sum(), waveforms)
        grad = torch.nan_to_num(grad)
        for index, row in enumerate(rows):
            if not bool(grad[index].abs().max() > 0):
                self.problem.logs[row].zero_gradients += 1
        if listening:
            self.listen(z, rows, result.loss.detach(), result.matches)
        self.done += 1
        self.problem.step(rows, self.done)
        if not self.active:
            raise _Done
        full = torch.zeros_like(z)
        full[rows] = grad * self.scale[rows]
        if isinstance(self.optimizer, SpeechOptimizer):
            return self.optimizer.observe(z, rows, result.loss.detach(), full)
        return full

    def listen(self, z: Tensor, rows: list[int], losses: Tensor | None, matches: Tensor | None) -> list[bool]:
        """Hear the candidates worth a decode, keep the best, retire finished clips; success of each row's candidate."""
        worth = rows
        if matches is not None:
            # Away: while the argmax still spells the clean text no decode can succeed. Toward: none will until it spells
            # the target.
            wanted = self.settings.loss.direction == "toward"
            worth = [row for row, match in zip(rows, matches.tolist(), strict=True) if match == wanted]
            for index, row in enumerate(rows):
                if row not in worth:
                    self.problem.note(row, step=self.done, loss=float(losses[index]) if losses is not None else None, heard=None)
        success = dict.fromkeys(rows, False)
        if worth:
            realized = self.problem.realize(self.delta(z)[worth], worth)
            for row, heard in zip(worth, self.problem.hear(realized, worth, checked=matches is not None), strict=True):
                success[row] = heard.success
                best = self.best[row]
                if best is None or (heard.success, heard.nearness) > (best.success, best.nearness):
                    self.best[row] = heard
                loss = float(losses[rows.index(row)]) if losses is not None else None
                snr = self.problem.snr(row, heard.waveform)
                self.problem.note(row, step=self.done, loss=loss, snr_db=snr, heard=heard.text, success=heard.success)
                objective = self.problem.objective
                away = objective.direction == "away" and not objective.writes
                finished = heard.nearness >= self.settings.stop_at if away else heard.success
                if finished and not self.settings.past_success and row in self.active:
                    self.active.remove(row)
        return [success[row] for row in rows]

    def random_start(self) -> Tensor:
        """A random point of half the budget: on the sphere under L2, uniform in the cube under L-inf alone."""
        start = torch.zeros_like(self.z0)
        euclidean = self.problem.budget.euclidean
        for row, generator in enumerate(generators(self.problem)):
            length = int(self.problem.clean.lengths[row])
            noise = torch.randn(length, generator=generator) if euclidean else torch.rand(length, generator=generator) - 0.5
            start[row, :length] = (0.5 * noise / noise.norm() if euclidean else noise).to(start)
        return self.z0 + start


class _TranscriptCriterion(Misclassification):  # type: ignore[misc]
    """Adversarial where the transcript of the realised 16-bit candidate meets the objective."""

    def __init__(self, search: _Search) -> None:
        super().__init__(ep.astensor(torch.zeros(len(search.z0), dtype=torch.int64)))
        self.search = search

    def __call__(self, perturbed: Any, outputs: Any) -> Any:
        del outputs
        z, restore = ep.astensor_(perturbed)
        rows = list(self.search.active)
        verdict = torch.tensor([bool(best and best.success) for best in self.search.best], device=z.raw.device)
        for row, ok in zip(rows, self.search.listen(z.raw, rows, None, None), strict=True):
            verdict[row] = verdict[row] or ok
        return restore(ep.astensor(verdict))


def _adapted(base: type[BaseGradientDescent], search: _Search) -> type[BaseGradientDescent]:
    """Foolbox's class with its extension points filled."""

    class SpeechAttack(base):  # type: ignore[misc]
        def get_loss_fn(self, model: Model, labels: Any) -> Any:
            return search.gradient

        def value_and_grad(self, loss_fn: Any, x: ep.Tensor) -> tuple[Any, ep.Tensor]:
            return None, ep.astensor(loss_fn(x.raw))

        def get_optimizer(self, x: ep.Tensor, stepsize: float) -> Optimizer:
            build = search.settings.optimizer or super().get_optimizer
            search.optimizer = build(x, stepsize)
            return search.optimizer

        def normalize(self, gradients: ep.Tensor, *, x: ep.Tensor, bounds: Any) -> ep.Tensor:
            if isinstance(search.optimizer, SpeechOptimizer) and search.optimizer.rule.unit_gradients:
                return normalize_lp_norms(gradients, p=2)
            return super().normalize(gradients, x=x, bounds=bounds)

        def get_random_start(self, x0: ep.Tensor, epsilon: float) -> ep.Tensor:
            return self.project(ep.astensor(search.random_start()), x0, epsilon)

        def project(self, x: ep.Tensor, x0: ep.Tensor, epsilon: float) -> ep.Tensor:
            delta = search.problem.budget.project(search.delta(x.raw), search.problem.clean)
            return ep.astensor(search.z0 + delta / search.scale)

    return SpeechAttack


def run_foolbox(problem: Problem, base: type[BaseGradientDescent], settings: SpeechSettings, **arguments: Any) -> Tensor:
    """Run a Foolbox gradient-descent attack on speech.

    Args:
        problem: the batch under attack.
        base: Foolbox's class (``L2ProjectedGradientDescentAttack``, ...).
        settings: loss and listening.
        arguments: for Foolbox's constructor.

    Returns:
        Float (batch, samples), each clip's best candidate heard, on the 16-bit grid and within budget.
    """
    search = _Search(problem, settings)
    attack = _adapted(base, search)(random_start=settings.random_start, **arguments)
    with contextlib.suppress(_Done):
        attack(_Identity(), search.z0, _TranscriptCriterion(search), epsilons=1.0)
    problem.tell(problem.max_steps)
    return torch.stack(
        [best.waveform if best is not None else problem.clean.waveforms[row] for row, best in enumerate(search.best)]
    )
