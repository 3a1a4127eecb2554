"""Foolbox's decision-based attacks on speech: the search is theirs, space, judgement and counting are voiceattack's.

Foolbox searches the unit cube with one criterion for a batch and draws from the global generators. Here each clip is searched
alone, in a space of its own whose Euclidean distance is the perturbation's; a criterion judges transcripts of 16-bit candidates;
and the global generators are seeded by the clip and put back afterwards.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal

import eagerpy as ep
import numpy as np
import torch
from foolbox.attacks.base import MinimizationAttack
from foolbox.criteria import Misclassification
from foolbox.models.base import Model
from pydantic import Field
from torch import Tensor

from voiceattack.attacks import base
from voiceattack.attacks.decision.mdct import bands, mdct, synthesis
from voiceattack.attacks.decision.oracle import Decisions, quietest
from voiceattack.attacks.decision.starting_points import START, check_start, find_start, starts_for
from voiceattack.attacks.problem import Problem
from voiceattack.constraints import Budget
from voiceattack.objectives import Objective
from voiceattack.victims.base import Victim

__all__ = ["DecisionParams", "FoolboxDecisions", "Space", "SpaceName"]

SpaceName = Literal["samples", "cells"]
FOREVER = 10**9  # steps: queries are what ends a search
CELL_FRAMES, CELL_BANDS = 6, 8  # about 0.1 s by 350 mel


class DecisionParams(base.Params):
    """Parameters that Foolbox's decision-based attacks share."""

    queries: int = Field(1000, ge=1, le=1_000_000, description="transcriptions asked for, a clip")
    start: str = Field("auto", description=START)
    space: SpaceName = Field(
        "samples", description="what is searched: samples, or cells: gains of the start's time-frequency cells, 0.1 s by 350 mel"
    )


class Space:
    """The unit cube that Foolbox searches, and the perturbations it stands for.

    Attributes:
        origin, start: float (dimensions,) in [0, 1]: the clean clip, and where the search begins.

    Args:
        clean: float (samples,).
        delta: float (samples,), a perturbation that fools.
        cells: gains of the start's cells rather than samples.
    """

    def __init__(self, clean: Tensor, delta: Tensor, sample_rate: int, *, cells: bool) -> None:
        self._clean, self._cells = clean.cpu(), None
        if not cells:
            self.origin = (self._clean + 1.0) / 2.0
            self.start = ((self._clean + delta.cpu()).clamp(-1.0, 1.0) + 1.0) / 2.0
            return
        self._coefficients = mdct(delta.cpu())
        edges = bands(CELL_BANDS, sample_rate)
        frames, bins = self._coefficients.shape
        band = torch.bucketize(torch.arange(bins), torch.tensor(edges[1:-1]), right=True)
        place = (torch.arange(frames) // CELL_FRAMES)[:, None] * (len(edges) - 1) + band
        sizes = torch.zeros(int(place.max()) + 1).index_add_(0, place.flatten(), self._coefficients.square().flatten()).sqrt()
        # Each axis is as long as its cell is loud, so that distances are the perturbation's norm up to one factor.
        self._cells, self._sizes = place, (sizes / sizes.max() / 2.0).clamp(min=1e-9)
        self.origin = torch.full_like(sizes, 0.5)
        self.start = self.origin + self._sizes

    def delta(self, point: Tensor) -> Tensor:
        """The perturbation float (samples,) of a point float (dimensions,)."""
        if self._cells is None:
            return point * 2.0 - 1.0 - self._clean
        gains = (point - self.origin) / self._sizes
        return synthesis(self._coefficients * gains[self._cells], len(self._clean))


class FoolboxDecisions(base.MinimizationAttack):
    """A decision-based attack of Foolbox, clip by clip: subclasses say which, with which arguments.

    The output is the quietest candidate that fooled the victim and lies within the budget; without one, the nearest within it.
    """

    Params: ClassVar[type[base.Params]] = DecisionParams
    config: DecisionParams

    @property
    def max_queries(self) -> int:
        return self.config.queries

    def check(self, victim: Victim, objective: Objective, budget: Budget) -> None:
        super().check(victim, objective, budget)
        check_start(self.config.start, objective)

    def build(self, dimensions: int) -> MinimizationAttack:
        """Foolbox's attack for a space of so many dimensions."""
        raise NotImplementedError

    def search(self, problem: Problem) -> Tensor:
        return quietest(problem, self.config.queries, self._clip)

    def _clip(self, decisions: Decisions, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        found = find_start(decisions, starts_for(decisions, self.config.start, generator))
        if found is None:
            return
        delta = found[1].heard.waveform[: len(decisions.clean)] - decisions.clean
        space = Space(decisions.clean, delta, decisions.problem.clean.sample_rate, cells=self.config.space == "cells")
        attack = self.build(len(space.origin))
        with seeded(seed):
            attack.run(_Cube(), space.origin[None], _Fools(decisions, space.delta), starting_points=space.start[None])


class _Cube(Model):  # type: ignore[misc]
    """Foolbox wants a model with bounds; transcripts are judged in the criterion, so this one only passes inputs on."""

    @property
    def bounds(self) -> Any:
        from foolbox.types import Bounds

        return Bounds(0.0, 1.0)

    def __call__(self, inputs: Any) -> Any:
        return inputs


class _Fools(Misclassification):  # type: ignore[misc]
    """Adversarial where the transcript of the realised 16-bit candidate meets the objective."""

    def __init__(self, decisions: Decisions, delta: Callable[[Tensor], Tensor]) -> None:
        super().__init__(ep.astensor(torch.zeros(1, dtype=torch.int64)))
        self._decisions, self._delta = decisions, delta

    def __call__(self, perturbed: Any, outputs: Any) -> Any:
        del outputs
        points, restore = ep.astensor_(perturbed)
        verdicts = self._decisions.judge([self._delta(point) for point in points.raw])
        return restore(ep.astensor(torch.tensor([verdict.fools for verdict in verdicts])))


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The global generators of NumPy and of torch on the CPU are ``seed``'s inside, and as they were afterwards."""
    kept_numpy, kept_torch = np.random.get_state(), torch.default_generator.get_state()
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        np.random.set_state(kept_numpy)
        torch.default_generator.set_state(kept_torch)
