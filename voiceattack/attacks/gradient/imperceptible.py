"""``imperceptible``: succeed under what the speech hides; where that fails, succeed first and sink the perturbation after."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from voiceattack.attacks import base
from voiceattack.attacks.clip_log import Heard
from voiceattack.attacks.gradient.cw import SLACK, CarliniWagner
from voiceattack.attacks.gradient.masked_search import masked_search
from voiceattack.attacks.problem import Problem
from voiceattack.metrics.masking import STRICT_DB
from voiceattack.metrics.psychoacoustics import Masking, masking
from voiceattack.victims.base import LossConfig

__all__ = ["Imperceptible"]

TINY = 1e-20
HIDDEN_DB = 0.005  # mean excess at which a perturbation counts as hidden
AWAY_CAP = 6.0  # untargeted: logits a token at which its loss saturates, as in cw


class Imperceptible(base.MinimizationAttack):
    """A success that is strictly masked, far under the threshold; where there is none, one that stands little above it.

    First a search among strictly masked perturbations alone: none of their time-frequency bins may stand more than 0.1 dB above
    the masking threshold, and after each success that bound sinks by 1.5 dB. Steps are taken in units of what each bin hides
    (:mod:`voiceattack.attacks.gradient.masked_search`). A clip that this wins is done. The others are searched as by Qin et al.
    2019 in two stages: ``cw``, then descent both on the attack loss and on the mean excess over the masking threshold (dB), their
    gradients each of unit length and weighted: the weight of masking rises while the cheap check holds and falls while it fails.
    What differs from the paper: the strict search before, any victim and objective, excess in decibels instead of a hinge on
    normalised power, balanced unit gradients instead of a tuned weight, and every artefact kept was heard back from 16 bits. A
    perturbation that is hidden may be loud: its signal-to-noise ratio may be lower than that of ``cw``.
    """

    name: ClassVar[str] = "imperceptible"
    summary: ClassVar[str] = "under the masking threshold (Qin et al. 2019)"
    needs: ClassVar[frozenset[str]] = frozenset({"hears", "differentiates"})

    class Params(base.Params):
        """Parameters of ``imperceptible``; sizes of steps are fractions of the perturbation's own norm."""

        steps: int = Field(300, ge=4, le=100_000, description="of all parts together")
        strict_share: float = Field(
            0.6, ge=0, lt=1, description="share of the steps spent among strictly masked perturbations; a clip won there is done"
        )
        masking_share: float = Field(0.4, gt=0, lt=1, description="share of the other steps spent on hiding")
        start_snr_db: float = Field(15.0, ge=-20, le=120, description="the first bound of the search for a success")
        confidence: float = Field(0.0, ge=0, description="head-room in logits that every token must have")
        step_size: float = Field(0.03, gt=0, le=1, description="hiding: first step, falling to nothing")
        momentum: float = Field(0.8, ge=0, lt=1, description="share of the last direction that is kept")
        gain: float = Field(0.02, gt=0, le=1, description="log2 by which the weight of masking moves a step")

    config: Params

    @property
    def max_queries(self) -> int:
        return self.config.steps + 2

    def search(self, problem: Problem) -> Tensor:
        c = self.config
        strict = round(c.steps * c.strict_share)
        found = self._strictly_masked(problem, strict) if strict else problem.clean.waveforms.clone()
        if unsolved := problem.unsolved():
            rest = problem.subset(unsolved, max_steps=c.steps - strict, offset=strict)
            found[unsolved] = self._sunk(rest.retargeted(), c.steps - strict)
        problem.tell(problem.max_steps)
        return found

    def _strictly_masked(self, problem: Problem, steps: int) -> Tensor:
        """The strictly masked successes that lie furthest under the threshold, float (batch, samples); else the nearest found."""
        part = problem.subset(range(len(problem.clean)), max_steps=steps).retargeted()
        given = problem.budget.masking_excess_max_db
        found = masked_search(part, steps, STRICT_DB if given is None else min(given, STRICT_DB), self.config.confidence)
        nearest = problem.best()
        return torch.stack([nearest[row] if heard is None else heard.waveform for row, heard in enumerate(found)])

    def _sunk(self, problem: Problem, steps: int) -> Tensor:
        """Qin et al.'s two stages, of clips without a success, float (batch, samples)."""
        c = self.config
        second = max(1, round(steps * c.masking_share))
        first = CarliniWagner(steps=max(1, steps - second), start_snr_db=c.start_snr_db, confidence=c.confidence)
        found = first.search(problem)
        rows = list(range(len(found)))
        hidden = masking(problem.clean.waveforms)
        best: list[Heard] = problem.hear(found, rows)
        excess = self._excess(hidden, problem, found).tolist()
        active = [row for row in rows if best[row].success]
        for row in active:
            problem.note(row, step=problem.logs[row].steps, masking_excess_db=excess[row], success=True)
        self._sink(problem, hidden, second, best, excess, active)
        return torch.stack([heard.waveform for heard in best])

    def _sink(
        self, problem: Problem, hidden: Masking, steps: int, best: list[Heard], excess: list[float], active: list[int]
    ) -> None:
        """Stage two: lower the excess of clips already won, in place."""
        c, clean = self.config, problem.clean
        if not active:
            return
        direction = problem.direction
        loss = LossConfig(
            direction, _loss_kind(problem), AWAY_CAP if direction == "away" else None, c.confidence + SLACK, c.confidence
        )
        part = Masking(hidden.threshold_db[active], hidden.gain_db[active])
        original, some = clean.waveforms[active], clean.select(active)
        delta = torch.stack([best[row].waveform for row in active]) - original
        norm = delta.norm(dim=1, keepdim=True).clamp(min=TINY)
        velocity = torch.zeros_like(delta)
        weight = torch.zeros(len(active), 1, device=delta.device)  # log2 of masking's weight over the attack's
        for step in range(steps):
            waveforms = (original + delta).detach().requires_grad_(True)
            result = problem.attack_loss(waveforms, active, loss)
            (push,) = torch.autograd.grad(result.loss.sum(), waveforms)
            problem.step(active, problem.max_steps - steps + step + 1)
            variable = delta.detach().requires_grad_(True)
            above = part.excess_db(variable).mean(dim=(1, 2))
            (sink,) = torch.autograd.grad(above.sum(), variable)
            # What is hidden already is made smaller instead.
            sink = torch.where((above.detach() > HIDDEN_DB)[:, None], sink, delta)
            holds = self._holds(result.matches, result.loss.detach(), direction)
            self._keep(problem, hidden, best, excess, active, delta, above.tolist(), holds.tolist())
            share = torch.sigmoid(weight * 0.6931)
            mixed = (1 - share) * _unit(push) + share * _unit(sink)
            velocity = c.momentum * velocity + mixed
            progress = 1.0 - step / steps
            delta = problem.budget.project(delta - c.step_size * progress * norm * _unit(velocity), some)
            weight = weight + torch.where(holds[:, None], c.gain * 10, -c.gain * 20)

    @staticmethod
    def _holds(matches: Tensor | None, losses: Tensor, direction: str) -> Tensor:
        """Whether the cheap check still passes, bool (clips,); without one, always: the ear decides."""
        if matches is None:
            return torch.ones_like(losses, dtype=torch.bool)
        return matches if direction == "toward" else ~matches

    @staticmethod
    def _keep(
        problem: Problem,
        hidden: Masking,
        best: list[Heard],
        excess: list[float],
        active: list[int],
        delta: Tensor,
        above: list[float],
        holds: list[bool],
    ) -> None:
        """Hear candidates clearly less above the threshold, or hidden and smaller; keep those that still succeed."""
        norms = {row: float((best[row].waveform - problem.clean.waveforms[row]).norm()) for row in active}
        worth = [
            place
            for place, row in enumerate(active)
            if holds[place]
            and (
                HIDDEN_DB < above[place] < 0.95 * excess[row]
                or (above[place] <= HIDDEN_DB and (excess[row] > HIDDEN_DB or float(delta[place].norm()) < 0.97 * norms[row]))
            )
        ]
        if not worth:
            return
        rows = [active[place] for place in worth]
        realized = problem.realize(delta[worth], rows)
        part = Masking(hidden.threshold_db[rows], hidden.gain_db[rows])
        with torch.no_grad():
            true = part.excess_db(realized - problem.clean.waveforms[rows]).mean(dim=(1, 2)).tolist()
        for row, heard, value in zip(rows, problem.hear(realized, rows), true, strict=True):
            smaller = float((heard.waveform - problem.clean.waveforms[row]).norm()) < norms[row]
            kept = heard.success and (value < excess[row] if max(value, excess[row]) > HIDDEN_DB else smaller)
            step = problem.logs[row].steps
            problem.note(row, step=step, masking_excess_db=value, heard=heard.text, success=heard.success)
            if kept:
                best[row], excess[row] = heard, value

    @staticmethod
    def _excess(hidden: Masking, problem: Problem, waveforms: Tensor) -> Tensor:
        with torch.no_grad():
            return hidden.excess_db(waveforms - problem.clean.waveforms).mean(dim=(1, 2))


def _loss_kind(problem: Problem) -> Literal["ce", "margin"]:
    """The margin where the victim has one; its own loss else."""
    return "margin" if CarliniWagner.has_margin(problem) else "ce"


def _unit(gradient: Tensor) -> Tensor:
    finite = torch.nan_to_num(gradient)
    norms: Tensor = finite.norm(dim=1, keepdim=True).clamp(min=TINY)
    return finite / norms
