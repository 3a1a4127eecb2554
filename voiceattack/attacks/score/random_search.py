"""``random-search``: windowed tones kept when they help; a black-box search on the victim's score alone."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from voiceattack.attacks import base
from voiceattack.attacks.problem import Problem

__all__ = ["RandomSearch"]


class RandomSearch(base.BudgetAttack):
    """Greedy random search: one short tone more, kept if the score improves.

    In the spirit of Andriushchenko et al. 2020 (Square Attack), with Hann-windowed tones for squares: a tone touches one patch
    of time and frequency. A candidate costs one query for its score; one that improves is heard too, which costs another. Until
    one improves, those of equal score are kept too.
    """

    name: ClassVar[str] = "random-search"
    summary: ClassVar[str] = "windowed tones kept when the victim's score improves, counted in queries"
    needs: ClassVar[frozenset[str]] = frozenset({"hears", "scores"})

    class Params(base.Params):
        """Parameters of ``random-search``."""

        queries: int = Field(3000, ge=1, le=1_000_000, description="scores and transcripts asked for, a clip")
        low_hz: float = Field(80.0, gt=0, lt=8000, description="lowest tone")
        high_hz: float = Field(6000.0, gt=0, le=8000, description="highest tone")
        longest_seconds: float = Field(0.5, gt=0.01, le=10, description="longest tone; the shortest is 20 ms")
        cap: float = Field(0.0, ge=0, description="nats by which a token counts as lost; 0: the text counts as a whole")

    config: Params

    @property
    def max_queries(self) -> int:
        return self.config.queries

    def search(self, problem: Problem) -> Tensor:
        found = [self._clip(problem, row, generator) for row, generator in enumerate(base.generators(problem))]
        problem.tell(problem.max_steps)
        return torch.stack(found)

    def _clip(self, problem: Problem, row: int, generator: torch.Generator) -> Tensor:
        log = problem.logs[row]
        sign = -1.0 if problem.objective.direction == "away" else 1.0
        length = int(problem.clean.lengths[row])
        radius = float(problem.budget.search_radius(problem.clean)[row])
        if not problem.budget.euclidean:
            radius *= math.sqrt(length)
        best = torch.zeros_like(problem.clean.waveforms[row])
        kept = problem.realize(best[None], [row])[0]
        # The problem's limit is the clip's own: a neighbour that has queries left goes on.
        left = problem.queries_left(row)
        limit = self.config.queries if left is None else min(self.config.queries, log.queries + left)
        log.cut_short = limit < self.config.queries
        if limit <= log.queries:
            return kept
        value, helped = sign * self._score(problem, row, kept), False
        nearest, nearest_value = None, float("-inf")
        while log.queries < limit:
            delta = best + radius * self._tone(length, len(best), problem.clean.sample_rate, generator).to(best)
            candidate = problem.realize(delta[None], [row])
            new = sign * self._score(problem, row, candidate[0])
            # At the score's floor no tone helps at first; those that change nothing are kept there, to see more of the budget.
            if new < value or (new == value and helped):
                if new > nearest_value:
                    nearest, nearest_value = candidate[0], new
                continue
            better, helped = new > value, helped or new > value
            best, kept, value = candidate[0] - problem.clean.waveforms[row], candidate[0], new
            if better and log.queries < limit and problem.hear(candidate, [row])[0].success:
                break
        if nearest is not None and not bool(best.any()):  # no tone helped: the one that did least harm, not the clean clip
            kept, value = nearest, nearest_value
        problem.note(row, step=log.queries, loss=-value, snr_db=problem.snr(row, kept))
        return kept

    def _score(self, problem: Problem, row: int, waveform: Tensor) -> float:
        return float(problem.score(waveform[None], [row], self.config.cap or None)[0])

    def _tone(self, length: int, samples: int, rate: int, generator: torch.Generator) -> Tensor:
        """A Hann-windowed tone float (samples,) of a random norm from 0.05 to 1, silent from ``length`` on."""
        place, span, pitch, phase, size = torch.rand(5, generator=generator).tolist()
        shortest = min(length, round(0.02 * rate))
        width = max(shortest, min(length, round(span * self.config.longest_seconds * rate)))
        start = round(place * (length - width))
        high = max(self.config.high_hz, self.config.low_hz)
        frequency = self.config.low_hz * (high / self.config.low_hz) ** pitch
        tone = torch.sin(2 * math.pi * (frequency * torch.arange(width) / rate + phase)) * torch.hann_window(width)
        out = torch.zeros(samples)
        out[start : start + width] = tone / tone.norm().clamp(min=1e-9) * 0.05 ** (1 - size)
        return out
