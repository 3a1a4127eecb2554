"""``cw``: the quietest success, by a bound that shrinks after each one."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from voiceattack.attacks import base
from voiceattack.attacks.clip_log import Heard
from voiceattack.attacks.gradient.optimizers import Adam, Momentum, Rule
from voiceattack.attacks.problem import Problem
from voiceattack.constraints import Budget
from voiceattack.victims.base import LossConfig, differentiates

__all__ = ["CarliniWagner"]

STALL = 25  # steps without a lower loss after which a clip's steps get finer, until its next success
FINER, FINEST = 0.7, 0.02
SLACK = 1.0  # logits of head-room that the loss asks for beyond what the check wants, so that rounding does not undo a success


class CarliniWagner(base.MinimizationAttack):
    """Carlini & Wagner 2018 for seq2seq and CTC victims: shrink the bound after each success, keep the quietest artefact.

    What differs from the paper: the bound is an SNR, one a clip, tightened by ``shrink_db`` below what was just heard; the
    search is Adam on unit gradients, its direction made a step in proportion to the bound, finer while the loss stalls; toward
    a text the loss is the cross-entropy up to the first success and from there the summed margin, which leaves tokens alone that
    are already right; a success is a transcript of the 16-bit candidate through the victim's ordinary path. A teacher-forced
    check (for CTC the greedy path) comes before each such decode.
    """

    name: ClassVar[str] = "cw"
    summary: ClassVar[str] = "the quietest success by a shrinking bound (Carlini & Wagner 2018)"
    needs: ClassVar[frozenset[str]] = frozenset({"hears", "differentiates"})
    slows: ClassVar[bool] = True

    class Params(base.Params):
        """Parameters of ``cw``."""

        steps: int = Field(400, ge=1, le=100_000, description="gradient steps")
        start_snr_db: float = Field(15.0, ge=-10, le=80, description="the first bound; a budget that is tighter takes its place")
        shrink_db: float = Field(1.0, gt=0, le=20, description="how far under the last success the next bound lies")
        step_size: float = Field(0.15, gt=0, le=2, description="fraction of the bound; finer while the loss stalls")
        optimizer: Literal["adam", "momentum"] = Field("adam", description="how a step follows from the gradients")
        momentum: float = Field(0.8, ge=0, lt=1, description="for momentum: share of the last direction that is kept")
        loss: Literal["auto", "ce", "margin"] = Field(
            "auto",
            description="ce: cross-entropy; margin: the wanted token's lead; auto: ce up to the first success, then margin",
        )
        confidence: float = Field(0.0, ge=0, description="head-room in logits that every token must have, for other engines")
        cap: float = Field(6.0, gt=0, description="untargeted: logits (margin) or nats (ce) a token at which its loss saturates")
        hallucinate: bool = Field(True, description=base.HALLUCINATE)
        check_every: int = Field(10, ge=1, description="untargeted: steps between two decodes")
        stop_at_success: bool = Field(False, description="end a clip at its first success instead of making it quieter")
        patience: int = Field(
            0,
            ge=0,
            description="stop a clip after so many steps without a new success, before the first without a lower loss (0: never)",
        )

    config: Params

    @property
    def max_queries(self) -> int:
        return self.config.steps + 2

    def search(self, problem: Problem) -> Tensor:
        problem = problem.retargeted(self.config.hallucinate)
        config, clean = self.config, problem.clean
        direction = problem.direction
        bounds = torch.full((len(clean),), max(config.start_snr_db, problem.budget.snr_db or float("-inf")))
        delta = torch.zeros_like(clean.waveforms)
        rule: Rule = Adam(linf=False) if config.optimizer == "adam" else Momentum(linf=False, momentum=config.momentum)
        best: list[Heard | None] = [None] * len(clean)
        last_success = [0] * len(clean)
        sizes = [_Size(config.step_size) for _ in range(len(clean))]
        lowest = [_Lowest() for _ in range(len(clean))]
        active = list(range(len(clean)))
        for step in range(config.steps):
            radius = self._radius(problem, bounds)
            waveforms = (clean.waveforms + delta)[active].detach().requires_grad_(True)
            result = problem.attack_loss(waveforms, active, self._loss(problem, all(_won(best[row]) for row in active)))
            (grad,) = torch.autograd.grad(result.loss.sum(), waveforms)
            grad = torch.nan_to_num(grad)
            problem.step(active, step + 1)
            for index, row in enumerate(active):
                lowest[row].see(float(result.loss[index].detach()), delta[row], step)
            candidates = self._candidates(active, result.matches, direction, step)
            for row, heard in self._listen(problem, candidates, delta, bounds, checked=result.matches is not None):
                value = float(result.loss[active.index(row)].detach())
                snr = problem.snr(row, heard.waveform)
                problem.note(row, step=step + 1, loss=value, snr_db=snr, heard=heard.text, success=heard.success)
                kept = best[row]
                if heard.success:
                    best[row], last_success[row] = heard, step
                    sizes[row] = _Size(config.step_size)
                    bounds[row] = max(float(bounds[row]), snr) + config.shrink_db
                elif kept is None or (not kept.success and heard.nearness > kept.nearness):
                    best[row] = heard
            if step % 50 == 0:
                self._note_progress(problem, active, result.distance, result.loss.detach(), bounds, step)
            push, length = torch.zeros_like(delta), torch.zeros(len(clean), 1, device=delta.device)
            for index, row in enumerate(active):
                norm = grad[index].norm()
                # A margin loss at zero has all it wants; no gradient then hides nothing.
                if not bool(norm > 0) and float(result.loss[index].detach()) != 0.0:
                    problem.logs[row].zero_gradients += 1
                push[row] = grad[index] / norm.clamp(min=1e-20)
                length[row] = sizes[row].next(float(result.loss[index].detach())) * radius[row]
            delta = self._project(problem, delta - rule(push, length), bounds)
            if config.patience:
                since = [last_success[row] if _won(best[row]) else lowest[row].step for row in range(len(clean))]
                active = [row for row in active if step - since[row] < config.patience]
            if config.stop_at_success:
                active = [row for row in active if not _won(best[row])]
            if not active:
                break
        self._final_listen(problem, delta, bounds, best, lowest)
        problem.tell(problem.max_steps)
        return torch.stack([heard.waveform if heard is not None else clean.waveforms[row] for row, heard in enumerate(best)])

    def _loss(self, problem: Problem, won: bool) -> LossConfig:
        """The loss of a step; ``won`` says whether all clips at hand have succeeded before."""
        config, away = self.config, problem.direction == "away"
        kind: Literal["ce", "margin"] = "ce"
        if self.has_margin(problem):
            # Far from the target the cross-entropy gets there sooner; near it the margin spends nothing on what is right already.
            kind = config.loss if config.loss != "auto" else "margin" if away or won else "ce"
        return LossConfig(problem.direction, kind, config.cap if away else None, config.confidence + SLACK, config.confidence)

    @staticmethod
    def has_margin(problem: Problem) -> bool:
        """Whether the victim offers per-token logits, so that a margin can be asked for."""
        victim = problem.victim
        return differentiates(victim) and victim.token_losses

    @staticmethod
    def _bound(problem: Problem, snr_db: float) -> Budget:
        """The caller's budget with its SNR tightened to the present bound."""
        return replace(problem.budget, snr_db=min(snr_db, 120.0))

    def _radius(self, problem: Problem, bounds: Tensor) -> Tensor:
        norms: Tensor = problem.clean.waveforms.norm(dim=1)
        return norms * 10.0 ** (-bounds.to(norms) / 20.0)

    def _project(self, problem: Problem, delta: Tensor, bounds: Tensor) -> Tensor:
        rows = [
            self._bound(problem, float(bound)).project(delta[[row]], problem.clean.select([row]))
            for row, bound in enumerate(bounds)
        ]
        return torch.cat(rows)

    def _candidates(self, active: list[int], matches: Tensor | None, direction: str, step: int) -> list[int]:
        """Clips worth a decode now: the cheap check passed (toward), or it is time and the clean text is lost (away)."""
        if matches is None or direction == "away":
            due = step > 0 and step % self.config.check_every == 0
            return [row for index, row in enumerate(active) if due and (matches is None or not matches[index])]
        return [row for index, row in enumerate(active) if matches[index]]

    def _listen(
        self, problem: Problem, rows: list[int], delta: Tensor, bounds: Tensor, *, checked: bool = False
    ) -> list[tuple[int, Heard]]:
        if not rows:
            return []
        realized = [problem.realize(delta[[row]], [row], self._bound(problem, float(bounds[row]))) for row in rows]
        return list(zip(rows, problem.hear(torch.cat(realized), rows, checked=checked), strict=True))

    def _final_listen(
        self, problem: Problem, delta: Tensor, bounds: Tensor, best: list[Heard | None], lowest: list[_Lowest]
    ) -> None:
        """A clip without a success keeps its nearest candidate: it is heard where it ended, and where its loss was lowest."""
        for where in (delta, torch.stack([delta[row] if one.delta is None else one.delta for row, one in enumerate(lowest)])):
            unheard = [row for row, kept in enumerate(best) if not _won(kept)]
            for row, heard in self._listen(problem, unheard, where, bounds):
                kept = best[row]
                # Where words do not tell candidates apart, the loss does: the last one heard has the lowest.
                if kept is None or (heard.success, heard.nearness) >= (kept.success, kept.nearness):
                    best[row] = heard
                    problem.logs[row].prefer(heard)
                snr = problem.snr(row, heard.waveform)
                problem.note(row, step=problem.logs[row].steps, loss=None, snr_db=snr, heard=heard.text, success=heard.success)

    @staticmethod
    def _note_progress(
        problem: Problem, active: list[int], distance: Tensor | None, losses: Tensor, bounds: Tensor, step: int
    ) -> None:
        for index, row in enumerate(active):
            share = None if distance is None else float(distance[index])
            problem.note(row, step=step + 1, loss=float(losses[index]), bound_snr_db=float(bounds[row]), tokens_wrong=share)


class _Size:
    """A clip's step as a fraction of the bound: finer when the loss has not fallen for :data:`STALL` steps."""

    def __init__(self, size: float) -> None:
        self.size, self.lowest, self.since = size, float("inf"), 0

    def next(self, loss: float) -> float:
        """The size of the step to come, given the loss before it."""
        self.since += 1
        if loss < self.lowest:
            self.lowest, self.since = loss, 0
        elif self.since >= STALL:
            self.size, self.since = max(FINER * self.size, min(FINEST, self.size)), 0
        return self.size


class _Lowest:
    """Where a clip's loss was lowest: the step and the perturbation float (samples,)."""

    def __init__(self) -> None:
        self.loss, self.step = float("inf"), 0
        self.delta: Tensor | None = None

    def see(self, loss: float, delta: Tensor, step: int) -> None:
        if loss < self.loss:
            self.loss, self.step, self.delta = loss, step, delta.clone()


def _won(heard: Heard | None) -> bool:
    return heard is not None and heard.success
