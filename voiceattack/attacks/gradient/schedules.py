"""How the length of a step changes during a search: factors of the first step, one for all clips or one a clip."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["Constant", "Cosine", "Plateau", "Schedule"]


class Schedule(ABC):
    """The step's length over a search of known length."""

    @abstractmethod
    def factor(self, done: int) -> float | Tensor:
        """Length over the first step's, after ``done`` steps: in (0, 1], a number or float (batch, 1)."""

    def observe(self, z: Tensor, rows: Sequence[int], losses: Tensor, gradient: Tensor) -> tuple[Tensor, list[int]]:
        """See where the search is and what it costs there, before the step from there.

        Args:
            z: float (batch, samples), in the scaled space.
            rows: clips still searched.
            losses: float (len(rows),), minimised.
            gradient: float (batch, samples), at ``z``.

        Returns:
            The point and the rows to step from: ``z`` and none, or with some rows put back to an earlier, better point.
        """
        return z, []

    def gradient(self, gradient: Tensor) -> Tensor:
        """The gradient to step along after :meth:`observe`: the one given, or for rows put back the one at that point."""
        return gradient


class Constant(Schedule):
    """Every step is as long as the first (Madry et al. 2018)."""

    def factor(self, done: int) -> float:
        return 1.0


class Cosine(Schedule):
    """The step falls by half a cosine from 1 to ``final`` (Loshchilov & Hutter 2017, without restarts)."""

    def __init__(self, steps: int, final: float) -> None:
        self.steps, self.final = steps, final

    def factor(self, done: int) -> float:
        progress = done / max(1, self.steps - 1)
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * progress))


class Plateau(Schedule):
    """Clip by clip: at a few checkpoints, halve the step and return to the best point where the loss no longer improves.

    Checkpoints and both conditions are those of APGD (Croce & Hein 2020): too few of the steps since the last checkpoint lowered
    the loss, or its minimum has not moved though the step was left as it was.

    Args:
        like: float (batch, samples), the variable, for shape and device.
        steps: of the whole search.
    """

    SHARE = 0.75  # of steps that must improve, the paper's rho

    def __init__(self, like: Tensor, steps: int) -> None:
        batch = len(like)
        self.checkpoints = checkpoints(steps)
        self.factors = torch.ones(batch, 1, device=like.device)
        self.best_z, self.best_gradient = torch.zeros_like(like), torch.zeros_like(like)
        self.best = torch.full((batch,), math.inf, device=like.device)
        self.best_before, self.previous = self.best.clone(), self.best.clone()
        self.improving = torch.zeros(batch, device=like.device)
        self.reduced = torch.zeros(batch, dtype=torch.bool, device=like.device)
        self.seen = self.last = 0
        self._back: list[int] = []

    def factor(self, done: int) -> Tensor:
        return self.factors

    def observe(self, z: Tensor, rows: Sequence[int], losses: Tensor, gradient: Tensor) -> tuple[Tensor, list[int]]:
        index = torch.as_tensor(list(rows), dtype=torch.int64, device=z.device)
        losses = losses.to(self.best)
        if self.seen:
            self.improving[index] += (losses < self.previous[index]).float()
        self.previous[index] = losses
        better = index[losses < self.best[index]]
        self.best[index] = torch.minimum(self.best[index], losses)
        self.best_z[better], self.best_gradient[better] = z[better], gradient[better]
        self._back = self._checkpoint(index) if self.seen in self.checkpoints else []
        self.seen += 1
        if not self._back:
            return z, []
        z = z.clone()
        z[self._back] = self.best_z[self._back]
        return z, self._back

    def gradient(self, gradient: Tensor) -> Tensor:
        if not self._back:
            return gradient
        gradient = gradient.clone()
        gradient[self._back] = self.best_gradient[self._back]
        return gradient

    def _checkpoint(self, index: Tensor) -> list[int]:
        """Halve the step of clips that no longer improve; which they are."""
        stalled = self.improving < self.SHARE * (self.seen - self.last)
        stuck = ~self.reduced & (self.best >= self.best_before)
        searched = torch.zeros_like(stalled).index_fill(0, index, True)
        self.reduced = (stalled | stuck) & searched & self.best.isfinite()
        self.factors[self.reduced] *= 0.5
        self.best_before, self.last = self.best.clone(), self.seen
        self.improving.zero_()
        return [int(row) for row in self.reduced.nonzero().flatten()]


def checkpoints(steps: int) -> frozenset[int]:
    """Steps at which APGD looks back: 22 % of all, then intervals that shrink by 3 % of all down to 6 % (Croce & Hein 2020)."""
    # In hundredths, so that the places are exact.
    at, interval, found = 22, 22, []
    while at < 100:
        found.append(math.ceil(at * steps / 100))
        interval = max(interval - 3, 6)
        at += interval
    return frozenset(found)
