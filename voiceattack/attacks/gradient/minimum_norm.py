"""``minimum-norm``: the quietest perturbation that works, per clip, and what louder ones do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from voiceattack.attacks import base
from voiceattack.attacks.clip_log import Heard
from voiceattack.attacks.gradient.cw import SLACK, CarliniWagner
from voiceattack.attacks.gradient.optimizers import ByTurns, TurnKind
from voiceattack.attacks.problem import Problem
from voiceattack.victims.base import LossConfig

__all__ = ["MinimumNorm"]

LOOSEST_DB, TIGHTEST_DB = -10.0, 100.0
LONGEST_STRIDE_DB, SHORTEST_STRIDE_DB = 4.0, 0.25
QUICK = 1.0  # share of the patience within which a success doubles the stride
DECAY = 0.7  # of the step at each bound that resists
FINEST_STEP = 0.02
CAPS: dict[str, float] = {"ce": 8.0, "margin": 6.0}  # untargeted: nats and logits a token at which a loss saturates
AIMED_SHARE = 0.7  # untargeted: of the steps for the least, those toward a hallucination; the rest go merely away
LEVELS = 5  # looser bounds that the rest of an untargeted search explores
LEVEL_STEP, LEVEL_LAST = 0.5, 0.1  # its first and last step, fractions of the bound


@dataclass
class _Clip:
    """Where one clip's search stands.

    Attributes:
        bound: SNR in dB that is asked for now.
        stride: how far the next bound will lie beyond a success, in dB.
        since: step of the last success or of the last change of the bound.
        failures: bounds that resisted since the last success.
        turn: which rule makes the steps, see :class:`ByTurns`.
        best, best_snr: the quietest success heard, and its SNR.
        nearest: what was heard nearest to a success.
    """

    bound: float
    stride: float
    since: int = 0
    failures: int = 0
    turn: int = 0
    best: Heard | None = None
    best_snr: float = float("-inf")
    nearest: Heard | None = None

    @property
    def result(self) -> Heard | None:
        return self.best if self.best is not None else self.nearest


class MinimumNorm(base.MinimizationAttack):
    """The smallest perturbation that fools the victim, by a search over the bound with warm starts.

    Each clip has a bound on its SNR. After a success heard, the bound is drawn ``stride`` dB tighter than that success, and the
    stride doubles when the success came fast; a bound that resists for ``patience`` steps halves the stride, returns to the best
    artefact and goes on with finer steps; before any success it is loosened instead. Untargeted searches go toward what the
    victim hallucinates, where that is known, then merely away, by turns on the capped cross-entropy and the capped margin;
    they spend the rest of their steps on the most harm within looser bounds, 5 dB apart, each starting from what was found under
    the tighter one. The best artefact of each 5 dB is kept beside the
    final one: together they are the clip's part of the robustness curve.

    After Carlini & Wagner 2018's outer search and the decoupled norms of Rony et al. 2019; what differs: the radius moves in
    decibels and only after a success that was heard from 16 bits, and the harm beyond the least is kept.
    """

    name: ClassVar[str] = "minimum-norm"
    summary: ClassVar[str] = "the quietest perturbation that works, per clip, as a curve"
    needs: ClassVar[frozenset[str]] = frozenset({"hears", "differentiates"})
    slows: ClassVar[bool] = True
    stages_db: ClassVar[float | None] = 5.0

    class Params(base.Params):
        """Parameters of ``minimum-norm``; steps are fractions of the bound's radius."""

        steps: int = Field(500, ge=2, le=100_000, description="gradient steps")
        start_snr_db: float = Field(25.0, ge=-10, le=80, description="the first bound; a tighter budget takes its place")
        loosen_db: float = Field(5.0, gt=0, le=40, description="by which the bound moves out before the first success")
        patience: int = Field(30, ge=2, description="steps after which a bound that resists is moved")
        step_size: float = Field(0.15, gt=0, le=2, description="fraction of the bound; finer while a bound resists")
        optimizer: TurnKind = Field(
            "auto",
            description="rule of the steps; auto: adam up to the first success, then momentum, by turns as bounds resist",
        )
        momentum: float = Field(0.8, ge=0, lt=1, description="for momentum: share of the last direction that is kept")
        check_every: int = Field(5, ge=1, description="untargeted: steps between two decodes")
        hallucinate: bool = Field(True, description=base.HALLUCINATE)
        harm_share: float = Field(0.4, ge=0, lt=1, description="untargeted: share of the steps for harm within looser bounds")

    config: Params

    @property
    def max_queries(self) -> int:
        return self.config.steps + 2 * LEVELS + 1

    def search(self, problem: Problem) -> Tensor:
        c, clean = self.config, problem.clean
        away = problem.direction == "away"
        rest = round(c.steps * c.harm_share) if away else 0
        start = max(c.start_snr_db, problem.budget.snr_db or float("-inf"))
        clips = [_Clip(start, LONGEST_STRIDE_DB) for _ in range(len(clean))]
        retargeted, done = problem.retargeted(c.hallucinate), 0
        if retargeted is not problem:
            done = round((c.steps - rest) * AIMED_SHARE)
            self._minimise(retargeted, clips, 0, done)
        delta = self._minimise(problem, clips, done, c.steps - rest)
        if rest:
            self._harm(problem, clips, delta, rest)
        problem.tell(problem.max_steps)
        found = [clip.result for clip in clips]
        return torch.stack([clean.waveforms[row] if heard is None else heard.waveform for row, heard in enumerate(found)])

    def _minimise(self, problem: Problem, clips: list[_Clip], start: int, stop: int) -> Tensor:
        """Move each clip's bound in, in place, from step ``start`` on; the last perturbations, float (batch, samples)."""
        c, clean = self.config, problem.clean
        direction = problem.direction
        delta, rule = torch.zeros_like(clean.waveforms), ByTurns(self.config.optimizer, self.config.momentum)
        for row, clip in enumerate(clips):
            clip.since, clip.failures = start, 0
            if clip.best is not None:
                delta[row] = clip.best.waveform - clean.waveforms[row]
        rows = list(range(len(clean)))
        for step in range(start, stop):
            won = all(clip.best is not None for clip in clips)
            loss = self._loss(problem, direction, step // c.patience, won=won)
            waveforms = (clean.waveforms + delta).detach().requires_grad_(True)
            result = problem.attack_loss(waveforms, rows, loss)
            (grad,) = torch.autograd.grad(result.loss.sum(), waveforms)
            grad = torch.nan_to_num(grad)
            problem.step(rows, step + 1)
            for row in self._worth(rows, result.matches, direction, step):
                self._listen(problem, clips[row], row, delta, step, checked=result.matches is not None)
            length = torch.zeros(len(clips), 1, device=delta.device)
            for row, clip in enumerate(clips):
                if not bool(grad[row].norm() > 0) and float(result.loss[row].detach()) != 0.0:
                    problem.logs[row].zero_gradients += 1
                if step - clip.since >= c.patience and self._resisted(problem, clip, row, step):
                    assert clip.best is not None
                    delta[row] = clip.best.waveform - clean.waveforms[row]
                    rule.forget([row])
                    continue
                radius = clean.waveforms[row].norm() * 10.0 ** (-clip.bound / 20.0)
                length[row] = max(c.step_size * DECAY**clip.failures, FINEST_STEP) * radius
            delta = delta - rule(_unit(grad), length, [clip.turn for clip in clips])
            delta = self._project(problem, delta, [clip.bound for clip in clips])
        for row, clip in enumerate(clips):
            if clip.best is None:
                self._listen(problem, clip, row, delta, stop - 1, checked=False)
        return delta

    @staticmethod
    def _loss(problem: Problem, direction: Literal["away", "toward"], turn: int, *, won: bool) -> LossConfig:
        if not CarliniWagner.has_margin(problem):
            return LossConfig(direction, "ce", CAPS["ce"] if direction == "away" else None)
        if direction == "toward":
            return LossConfig(direction, "margin" if won else "ce", None, SLACK)
        kind: Literal["ce", "margin"] = "margin" if turn % 2 else "ce"
        return LossConfig(direction, kind, CAPS[kind])

    def _worth(self, rows: list[int], matches: Tensor | None, direction: str, step: int) -> list[int]:
        """Clips worth a decode: the cheap check passed (toward), or it is time and the clean text is lost (away)."""
        due = (step + 1) % self.config.check_every == 0
        if matches is None:
            return rows if due else []
        if direction == "toward":
            return [row for row in rows if matches[row]]
        return [row for row in rows if due and not matches[row]]

    def _listen(self, problem: Problem, clip: _Clip, row: int, delta: Tensor, step: int, *, checked: bool) -> None:
        """Hear one candidate within its clip's bound; after a success that is quieter, draw the bound in."""
        budget = replace(problem.budget, snr_db=clip.bound)
        (heard,) = problem.hear(problem.realize(delta[[row]], [row], budget), [row], checked=checked)
        snr = problem.snr(row, heard.waveform)
        problem.note(row, step=step + 1, bound_snr_db=clip.bound, snr_db=snr, heard=heard.text, success=heard.success)
        if clip.nearest is None or heard.nearness > clip.nearest.nearness:
            clip.nearest = heard
        if heard.success and snr > clip.best_snr:
            quick = step - clip.since <= QUICK * self.config.patience
            clip.stride = min(2 * clip.stride, LONGEST_STRIDE_DB) if quick else clip.stride
            clip.turn = clip.turn if clip.best is not None else 1
            clip.best, clip.best_snr, clip.since, clip.failures = heard, snr, step, 0
            clip.bound = min(snr + clip.stride, TIGHTEST_DB)

    def _resisted(self, problem: Problem, clip: _Clip, row: int, step: int) -> bool:
        """Move a bound that was not met in time; whether the search should return to the best artefact."""
        clip.since = step
        clip.failures += 1
        clip.turn += 1
        if clip.best is None:
            tightest = problem.budget.snr_db
            floor = LOOSEST_DB if tightest is None else tightest
            clip.bound = max(clip.bound - self.config.loosen_db, floor)
            return False
        clip.stride = max(0.5 * clip.stride, SHORTEST_STRIDE_DB)
        clip.bound = min(clip.best_snr + clip.stride, TIGHTEST_DB)
        return True

    def _harm(self, problem: Problem, clips: list[_Clip], delta: Tensor, steps: int) -> None:
        """The most harm within bounds looser than the least that succeeds; what is heard goes to the stages."""
        clean, width = problem.clean, problem.options.stages_db or 5.0
        tightest = problem.budget.snr_db
        for row, clip in enumerate(clips):
            if clip.best is not None:
                delta[row] = clip.best.waveform - clean.waveforms[row]
        rows = list(range(len(clean)))
        done = problem.max_steps - steps
        for level in range(LEVELS):
            share = steps * (level + 1) // LEVELS - steps * level // LEVELS
            bounds = []
            for clip in clips:
                least = clip.best_snr if clip.best is not None else clip.bound
                bound = (least // width - level) * width
                bounds.append(max(bound, LOOSEST_DB if tightest is None else tightest))
            rule = ByTurns(self.config.optimizer, self.config.momentum)
            for step in range(share):
                loss = self._loss(problem, "away", 0, won=True)
                waveforms = (clean.waveforms + delta).detach().requires_grad_(True)
                result = problem.attack_loss(waveforms, rows, loss)
                (grad,) = torch.autograd.grad(result.loss.sum(), waveforms)
                done += 1
                problem.step(rows, done)
                size = LEVEL_STEP + (LEVEL_LAST - LEVEL_STEP) * step / max(1, share - 1)
                radii = clean.waveforms.norm(dim=1, keepdim=True) * 10.0 ** (-delta.new_tensor(bounds)[:, None] / 20.0)
                delta = delta - rule(_unit(torch.nan_to_num(grad)), size * radii, [1] * len(clips))
                delta = self._project(problem, delta, bounds)
                if step == share // 2 or step == share - 1:
                    self._hear_level(problem, delta, bounds, done)

    def _hear_level(self, problem: Problem, delta: Tensor, bounds: list[float], step: int) -> None:
        for row, bound in enumerate(bounds):
            candidate = problem.realize(delta[[row]], [row], replace(problem.budget, snr_db=bound))
            (heard,) = problem.hear(candidate, [row])
            snr = problem.snr(row, heard.waveform)
            problem.note(row, step=step, bound_snr_db=bound, snr_db=snr, heard=heard.text, success=heard.success)

    @staticmethod
    def _project(problem: Problem, delta: Tensor, bounds: list[float]) -> Tensor:
        rows = [
            replace(problem.budget, snr_db=bound).project(delta[[row]], problem.clean.select([row]))
            for row, bound in enumerate(bounds)
        ]
        return torch.cat(rows)


def _unit(direction: Tensor) -> Tensor:
    """Rows of unit norm, float (batch, samples)."""
    unit: Tensor = direction / direction.norm(dim=1, keepdim=True).clamp(min=1e-20)
    return unit
