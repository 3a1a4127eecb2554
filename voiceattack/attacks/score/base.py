"""What the black-box attacks on a grid of gains share: parameters, the space, and the loop over clips."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Generator
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from voiceattack.attacks import base
from voiceattack.attacks.problem import Problem
from voiceattack.attacks.score.ask_tell import ClipSearch, answer
from voiceattack.attacks.score.gain_grid import GainGrid

__all__ = ["GridAttack", "GridSearch", "best_start", "random_signs"]

GridSearch = Generator[Tensor, Tensor, None]
"""Yields gains float (population, bands, slots); is sent their values float (population,), higher is better."""


class GridAttack(base.BudgetAttack):
    """A search over gains on one clip's grid, on scores where the victim gives them and on transcripts where it does not."""

    needs: ClassVar[frozenset[str]] = frozenset({"hears"})

    class Params(base.Params):
        """Parameters that these attacks share."""

        queries: int = Field(2000, ge=1, le=1_000_000, description="scores and transcripts asked for, a clip")
        hear_every: int = Field(10, ge=1, description="queries between two times that the best scored candidate is heard")
        cap: float = Field(5.0, gt=0, description="nats by which a token counts as lost, where each token has a score")
        band_hz: float = Field(500.0, ge=31.25, le=8000, description="height of a cell of the grid")
        slot_seconds: float = Field(0.096, ge=0.008, le=30, description="width of a cell")
        low_hz: float = Field(100.0, ge=0, lt=8000, description="where the grid begins")
        high_hz: float = Field(4000.0, gt=0, le=8000, description="where it ends")
        whiten: float = Field(0.2, ge=0, le=1, description="power of the clip's spectrum in a cell: 0 is flat, 1 its own shape")

    config: Params

    @property
    def max_queries(self) -> int:
        return self.config.queries

    def search(self, problem: Problem) -> Tensor:
        searches = [self._clip(problem, row, generator) for row, generator in enumerate(base.generators(problem))]
        return answer(problem, searches, self.config.queries, self.config.hear_every, self.config.cap)

    def _clip(self, problem: Problem, row: int, generator: torch.Generator) -> ClipSearch:
        clip = problem.clip(row)
        radius = float(problem.budget.search_radius(problem.clean)[row])
        if not problem.budget.euclidean:
            radius *= math.sqrt(len(clip))
        names = ("band_hz", "slot_seconds", "low_hz", "high_hz", "whiten")
        settings: dict[str, Any] = {name: getattr(self.config, name) for name in names}
        grid = GainGrid(clip, radius, problem.clean.sample_rate, **settings)
        steps = self.steps((grid.bands, grid.slots), generator)
        gains = next(steps)
        while True:
            values = yield grid.perturbation(gains)
            try:
                gains = steps.send(values)
            except StopIteration:
                return

    @abstractmethod
    def steps(self, shape: tuple[int, int], generator: torch.Generator) -> GridSearch:
        """The search on a grid of ``shape`` (bands, slots); all its randomness comes from ``generator``."""


def best_start(
    shape: tuple[int, int], starts: int, generator: torch.Generator
) -> Generator[Tensor, Tensor, tuple[Tensor, float]]:
    """The best of some random starts and its value: gains float (bands, slots) of -1 and 1; the first one only takes away."""
    gains = random_signs(starts, *shape, generator=generator)
    gains[0] = -1.0
    values = yield gains
    place = int(values.argmax())
    return gains[place], float(values[place])


def random_signs(*shape: int, generator: torch.Generator) -> Tensor:
    """Float tensor of -1 and 1, equally likely."""
    return torch.randint(0, 2, shape, generator=generator).float() * 2 - 1
