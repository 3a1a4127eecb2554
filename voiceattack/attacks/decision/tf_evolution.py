"""``tf-evolution``: an evolution of time-frequency cells along the decision boundary; needs transcripts alone."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from voiceattack.attacks import base
from voiceattack.attacks.decision.mutations import Moves, Proposal
from voiceattack.attacks.decision.oracle import Decisions, quietest
from voiceattack.attacks.decision.starting_points import START, check_start, find_start, starts_for
from voiceattack.attacks.problem import Problem
from voiceattack.constraints import Budget
from voiceattack.objectives import Objective
from voiceattack.victims.base import Victim

__all__ = ["TFEvolution"]

MOST_GAINED_DB = 60.0  # by one move: the clean clip itself would be infinitely far


class TFEvolution(base.MinimizationAttack):
    """From a start that fools, quieter by mutations of time-frequency cells that keep fooling.

    In the spirit of Occam (Zheng et al. 2021: decisions only, the problem split into groups that co-operate, CMA-ES in each) and
    of Dong et al. 2019's (1+1)-CMA-ES along the boundary. What differs: the space is the clip's MDCT, cut into cells of time and
    mel; the start is what a recogniser lacks rather than what disturbs it (its weak components or its high ones removed), or
    another utterance; beside mutations there are moves that put cells back as they were; each kind of move has its own size, by
    the rule of 1/5, and comes as often as it paid.
    """

    name: ClassVar[str] = "tf-evolution"
    summary: ClassVar[str] = (
        "time-frequency cells evolved along the decision boundary (after Zheng et al. 2021; Dong et al. 2019)"
    )

    class Params(base.Params):
        """Parameters of ``tf-evolution``."""

        queries: int = Field(1000, ge=1, le=1_000_000, description="transcriptions asked for, a clip")
        start: str = Field("auto", description=START)
        population: int = Field(1, ge=1, le=256, description="mutations heard at once; for victims that hear batches faster")
        cell_seconds: float = Field(0.1, gt=0.01, le=2, description="length of a cell")
        bands: int = Field(12, ge=1, le=64, description="cells from 0 Hz to half the sample rate, equally wide in mel")

    config: Params

    @property
    def max_queries(self) -> int:
        return self.config.queries

    def check(self, victim: Victim, objective: Objective, budget: Budget) -> None:
        super().check(victim, objective, budget)
        check_start(self.config.start, objective)

    def search(self, problem: Problem) -> Tensor:
        return quietest(problem, self.config.queries, self._clip)

    def _clip(self, decisions: Decisions, seed: int) -> None:
        c, generator = self.config, torch.Generator().manual_seed(seed)
        starts = starts_for(decisions, c.start, generator)
        if find_start(decisions, starts) is None:
            return
        moves = Moves(decisions.clean.cpu(), decisions.problem.clean.sample_rate, c.cell_seconds, c.bands, generator)
        while True:
            before = decisions.best
            assert before is not None
            if before.size[1] == 0:
                return
            moves.stand_at(before.heard.waveform[: len(decisions.clean)].cpu() - decisions.clean.cpu())
            proposals: list[Proposal] = [moves.propose() for _ in range(c.population)]
            verdicts = decisions.judge([proposal.delta for proposal in proposals])
            for proposal, verdict in zip(proposals, verdicts, strict=True):
                won = verdict.fools and verdict.size < before.size
                moves.learn(proposal, min(MOST_GAINED_DB, verdict.snr_db - before.snr_db) if won else 0.0)
