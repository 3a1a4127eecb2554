"""``genetic``: a population that breeds and mutates, with gradient estimation at the end."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from voiceattack.attacks.score.base import GridAttack, GridSearch, random_signs
from voiceattack.attacks.score.gradient_estimate import by_cells

__all__ = ["Genetic", "momentum_rate"]


class Genetic(GridAttack):
    """A genetic algorithm (Alzantot et al. 2018) with momentum mutation, and gradient estimation at the end (Taori et al. 2019).

    The fittest survives; parents are drawn in proportion to the softmax of their standardised values, each cell of a child comes
    from either; mutations come oftener as progress slows. Once the best has not improved for ``patience`` generations, the
    gradient is estimated in some cells at a time, and the best steps along it, for good.

    What differs: the gains of a time-frequency grid (:class:`~voiceattack.attacks.score.gain_grid.GainGrid`) in place of samples,
    and gradient estimation begins when breeding stalls, not at two wrong characters from a target.
    """

    name: ClassVar[str] = "genetic"
    summary: ClassVar[str] = "breeding, mutation, gradient estimation at the end (Alzantot et al. 2018; Taori et al. 2019)"

    class Params(GridAttack.Params):
        """Parameters of ``genetic``."""

        population: int = Field(20, ge=2, le=10_000, description="candidates a generation")
        mutation: float = Field(0.02, gt=0, le=1, description="share of a child's cells that mutate, at first")
        most_mutation: float = Field(0.2, gt=0, le=1, description="and at most")
        patience: int = Field(8, ge=1, description="generations without progress before gradients are estimated")
        looks: int = Field(20, ge=1, le=10_000, description="cells asked about for one estimate")
        size: float = Field(1.0, gt=0, le=2, description="how far the estimate looks, in gains of -1 to 1")
        rate: float = Field(0.5, gt=0, le=2, description="step along an estimated gradient, in gains")

    config: Params

    def steps(self, shape: tuple[int, int], generator: torch.Generator) -> GridSearch:
        population = random_signs(self.config.population, *shape, generator=generator)
        values = yield population
        best, value = _fittest(population, values)
        rate, stalled = self.config.mutation, 0
        while stalled < self.config.patience:
            children = _children(population, values, rate, generator)
            children[0] = best
            values = torch.cat([torch.tensor([value]), (yield children[1:])])
            population = children
            before = value
            best, value = _fittest(population, values)
            stalled = 0 if value > before else stalled + 1
            rate = momentum_rate(rate, value - before, self.config.mutation, self.config.most_mutation)
        yield from self._climb(best, value, generator)

    def _climb(self, best: Tensor, value: float, generator: torch.Generator) -> GridSearch:
        while True:
            places = torch.randperm(best.numel(), generator=generator)[: self.config.looks]
            gradient = yield from by_cells(best, value, places, self.config.size)
            point = (best + self.config.rate * gradient.sign()).clamp(-1, 1)
            found = float((yield point[None])[0])
            if found >= value:
                best, value = point, found


def momentum_rate(rate: float, progress: float, least: float, most: float) -> float:
    """Mutation rate of the next generation: slowly up as progress nears nothing, down as it is made (Taori et al. 2019).

    Args:
        rate: of this generation.
        progress: by how much the best value rose, >= 0.
        least, most: between which it stays.
    """
    return min(most, max(least, 0.9 * rate + 0.002 / max(progress, 0.05)))


def _fittest(population: Tensor, values: Tensor) -> tuple[Tensor, float]:
    place = int(values.argmax())
    return population[place].clone(), float(values[place])


def _children(population: Tensor, values: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """As many children as parents, float (population, bands, slots)."""
    finite = values.nan_to_num(neginf=float(values[values.isfinite()].min()) if bool(values.isfinite().any()) else 0.0)
    spread = float(finite.std())
    fitness = torch.softmax((finite - finite.mean()) / spread, dim=0) if spread > 0 else torch.full_like(finite, 1 / len(finite))
    parents = torch.multinomial(fitness, 2 * len(population), replacement=True, generator=generator).view(2, -1)
    cells = population.shape[1:]
    either = torch.rand(len(population), *cells, generator=generator) < 0.5
    children = torch.where(either, population[parents[0]], population[parents[1]])
    mutated = torch.rand(len(population), *cells, generator=generator) < max(rate, 1 / math.prod(cells))
    return torch.where(mutated, random_signs(len(population), *cells, generator=generator), children)
