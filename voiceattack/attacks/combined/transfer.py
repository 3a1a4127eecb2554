"""``transfer``: craft on a white box that stands in for the victim, and let the victim choose among the candidates, or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from voiceattack.attacks import base
from voiceattack.attacks.clip_log import Heard
from voiceattack.attacks.gradient.cw import CarliniWagner
from voiceattack.attacks.gradient.pgd import PGD
from voiceattack.attacks.problem import Problem
from voiceattack.attacks.sequence import split_steps
from voiceattack.constraints import Budget
from voiceattack.errors import AttackError, SpecError
from voiceattack.metrics.text import normalize
from voiceattack.objectives import Objective
from voiceattack.victims import DifferentiableVictim, Victim, differentiates, load_victim

__all__ = ["Transfer"]

AWAY: tuple[tuple[str, dict[str, Any]], ...] = (
    ("pgd hallucination", {}),
    ("pgd ce", {"hallucinate": False}),
    ("pgd margin restart", {"hallucinate": False, "loss": "margin", "random_start": True}),
    ("pgd adam restart", {"hallucinate": False, "optimizer": "adam", "random_start": True}),
)
TOWARD: tuple[tuple[str, dict[str, Any]], ...] = (
    ("pgd ce", {}),
    ("pgd margin", {"loss": "margin"}),
    ("pgd margin restart", {"loss": "margin", "random_start": True}),
    ("pgd adam restart", {"optimizer": "adam", "random_start": True}),
)


class Transfer(base.BudgetAttack):
    """Transfer from surrogates (Liu et al. 2017), chosen among by querying the victim, or with no query at all.

    ``pgd`` runs on the surrogates, with input diversity and past its first success, so that the budget is filled and head-room
    gained. What the surrogates heard on the way are the candidates. Without queries the result is the last one that fools the
    surrogates (after ZQ-Attack, Fang et al. 2024). With queries the victim hears them, those first that fool the surrogates and
    of these the latest; then candidates of another loss, place to go and start; a clip is left alone once the victim is fooled,
    and the nearest is returned otherwise. What differs from ZQ-Attack: the surrogates are whatever ensemble is given, with the
    mean of their losses, and the budget is an SNR.
    """

    name: ClassVar[str] = "transfer"
    summary: ClassVar[str] = "crafted on a white box, chosen among by a few queries or none (Liu et al. 2017)"
    needs: ClassVar[frozenset[str]] = frozenset({"hears"})

    class Params(base.Params):
        """Parameters of ``transfer``."""

        surrogates: str = Field(
            "whisper-tiny.en?frontend=all", description="differentiable victims to craft on, with a comma between them"
        )
        queries: int = Field(20, ge=0, le=100_000, description="candidates that the victim hears at most; 0: it is asked nothing")
        steps: int = Field(200, ge=1, le=100_000, description="gradient steps on the surrogates, of all searches together")
        searches: int = Field(
            4,
            ge=1,
            le=100,
            description="searches that share the steps, each on clips that still stand; without queries one has all",
        )
        check_every: int = Field(10, ge=1, description="steps between two candidates")
        diversity: float = Field(0.5, ge=0, le=1, description="share of steps on a shifted, louder or softer clip")
        confidence: float = Field(5.0, ge=0, description="targeted: head-room in logits that the margin asks for")
        cap: float = Field(16.0, gt=0, description="untargeted: nats or logits a token at which its loss saturates")

    config: Params

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._surrogate: DifferentiableVictim | None = None

    @property
    def max_queries(self) -> int:
        return self.config.queries

    def check(self, victim: Victim, objective: Objective, budget: Budget) -> None:
        super().check(victim, objective, budget)
        if objective.wakes:
            raise AttackError(
                f"attack transfer crafts on recognisers, which have no objective {objective.kind}; wake words: random-search"
            )
        surrogate = self.steps_on(victim)
        if objective.targeted:
            surrogate.check_target(str(objective.target))

    def steps_on(self, victim: Victim) -> DifferentiableVictim:
        """The surrogates as one victim, on the device of ``victim`` or the one asked for with it; loaded once."""
        if self._surrogate is None:
            specs = [spec.strip() for spec in self.config.surrogates.split(",") if spec.strip()]
            if not specs:
                raise SpecError(
                    "attack transfer: parameter 'surrogates' names no victim; for example whisper-tiny.en?frontend=all"
                )
            device = str(victim.device) if differentiates(victim) else victim.asked_device
            loaded = load_victim(specs[0] if len(specs) == 1 else f"ensemble:{'|'.join(specs)}", device)
            if not differentiates(loaded):
                raise AttackError(
                    f"attack transfer crafts by gradients, which surrogate {loaded.spec!r} does not give; "
                    "name a differentiable one, for example whisper-tiny.en?frontend=all"
                )
            self._surrogate = loaded
        return self._surrogate

    def search(self, problem: Problem) -> Tensor:
        c = self.config
        surrogate = self.steps_on(problem.victim)
        for clip in problem.clean.clips():
            surrogate.check_length(len(clip) / problem.clean.sample_rate, "the clip")
        parts = split_steps(c.steps, [1] * max(1, min(c.searches, c.queries)))
        shares = split_steps(c.queries, [1] * len(parts))
        done, left = 0, [0] * len(problem.clean)
        result = problem.clean.waveforms
        for number, (steps, share) in enumerate(zip(parts, shares, strict=True)):
            rows = problem.unsolved() if number else list(range(len(problem.clean)))
            if c.queries:  # what the victim may not hear need not be crafted
                rows = [row for row in rows if left[row] + share > 0 and problem.queries_left(row) != 0]
            if rows and steps:
                part = problem.subset(rows, max_steps=steps, draw=number, offset=done)
                ranked = self._craft(part, surrogate, number, steps)
                if not c.queries:
                    return torch.stack([found[0].waveform for found in ranked]).to(result)
                # What an earlier search left over is spent by the later ones.
                allowed = [left[row] + share for row in rows]
                for index, asked in enumerate(self._choose(part, ranked, allowed)):
                    left[rows[index]] = allowed[index] - asked
            done += steps
        for row, log in enumerate(problem.logs):
            log.cut_short = problem.queries_left(row) == 0 and log.queries < c.queries
        problem.tell(problem.max_steps)
        return problem.best()

    def _craft(self, problem: Problem, surrogate: DifferentiableVictim, number: int, steps: int) -> list[list[Heard]]:
        """One search on the surrogates; for each clip its candidates, those first that promise most."""
        c = self.config
        clean = problem.clean.to(surrogate.device)
        objective = _on_surrogate(problem.objective)
        heard = [transcript.text for transcript in surrogate.transcribe(clean)]
        # Where the surrogates hear nothing, they move away from what the victim hears.
        texts = [
            own if normalize(own, surrogate.language) else victims
            for own, victims in zip(heard, problem.clean_hypotheses, strict=True)
        ]
        inner = _Candidates(
            surrogate, clean, texts, objective, problem.budget, problem.seeds, steps, lambda at, _: problem.tell(at)
        )
        plans = TOWARD if inner.direction == "toward" else AWAY
        if plans is AWAY and inner.retargeted().direction == "away":
            plans = AWAY[1:]  # no place is known to go to
        name, params = plans[number % len(plans)]
        if not CarliniWagner.has_margin(inner):
            params = {key: value for key, value in params.items() if key != "loss"}
        if number >= len(plans):
            params = {**params, "random_start": True}
        attack = PGD(
            steps=steps,
            check_every=c.check_every,
            diversity=c.diversity,
            confidence=c.confidence,
            cap=c.cap,
            past_success=True,
            **params,
        )
        attack.search(inner)
        for row, log in enumerate(inner.logs):
            mine = problem.logs[row]
            mine.steps += log.steps
            fooled = sum(candidate.success for candidate in inner.taken[row])
            # A loss that has all it wants has no gradient either.
            mine.zero_gradients += 0 if fooled else log.zero_gradients
            problem.note(
                row, search=name, surrogates=surrogate.spec, step=mine.steps, candidates=len(inner.taken[row]), fool_them=fooled
            )
        return [_ranked(taken) for taken in inner.taken]

    @staticmethod
    def _choose(problem: Problem, ranked: Sequence[Sequence[Heard]], allowed: Sequence[int]) -> list[int]:
        """Let the victim hear each clip's candidates in turn, until one fools it; how many each clip took."""
        asked = [0] * len(ranked)
        while True:
            rows = [
                row
                for row in problem.unsolved()
                if asked[row] < min(len(ranked[row]), allowed[row]) and problem.queries_left(row) != 0
            ]
            if not rows:
                return asked
            waveforms = torch.stack([ranked[row][asked[row]].waveform for row in rows]).to(problem.clean.waveforms)
            for row, heard in zip(rows, problem.hear(waveforms, rows), strict=True):
                asked[row] += 1
                problem.note(row, candidate=asked[row], heard=heard.text, success=heard.success)


class _Candidates(Problem):
    """A problem on the surrogates that keeps every candidate they heard.

    Attributes:
        taken: a list a clip, in the order of the search.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.taken: list[list[Heard]] = [[] for _ in range(len(self.clean))]

    def hear(self, waveforms: Tensor | Sequence[Tensor], rows: Sequence[int], *, checked: bool = False) -> list[Heard]:
        results = super().hear(waveforms, rows, checked=checked)
        for row, heard in zip(rows, results, strict=True):
            self.taken[row].append(heard)
        return results


def _ranked(taken: Sequence[Heard]) -> list[Heard]:
    """Candidates that fool the surrogates before those that do not, the later of each first; equal ones once."""
    order = sorted(reversed(taken), key=lambda heard: not heard.success)
    kept: list[Heard] = []
    for heard in order:
        if not any(torch.equal(heard.waveform, other.waveform) for other in kept):
            kept.append(heard)
    return kept


def _on_surrogate(objective: Objective) -> Objective:
    """What is wanted of recognisers that only write: for an action its text, for another action or none other words."""
    if not objective.acts:
        return objective
    if objective.targeted:
        return Objective("targeted", objective.target)
    return Objective("untargeted", None, objective.wer_threshold)
