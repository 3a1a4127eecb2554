"""Gradients estimated from values alone, by looking along random directions both ways."""

from __future__ import annotations

from collections.abc import Generator

import torch
from torch import Tensor

__all__ = ["antithetic", "by_cells"]


def antithetic(point: Tensor, directions: Tensor, size: float) -> Generator[Tensor, Tensor, Tensor]:
    """The gradient at ``point`` from values on both sides of it, for use as ``gradient = yield from antithetic(...)``.

    The mean of ``(f(x + size u) - f(x - size u)) / (2 size) u`` over directions u: with Gaussian ones the estimate of natural
    evolution strategies with antithetic sampling (Salimans et al. 2017; Ilyas et al. 2018), with random signs that of
    simultaneous perturbation (Spall 1992; Uesato et al. 2018), whose division by a sign is a multiplication.

    Args:
        point: float, any shape.
        directions: float (pairs, *shape of point).
        size: how far to look, > 0.

    Returns:
        float, of the shape of ``point``; where the values of a pair are not finite (no query was left) it counts for nothing.
    """
    values = yield torch.cat([point + size * directions, point - size * directions])
    plus, minus = values.chunk(2)
    slopes = ((plus - minus) / (2 * size)).nan_to_num(0.0, 0.0, 0.0)
    gradient: Tensor = torch.tensordot(slopes, directions, dims=1)
    return gradient / len(directions)


def by_cells(point: Tensor, value: float, places: Tensor, size: float) -> Generator[Tensor, Tensor, Tensor]:
    """The gradient at ``point`` in some of its coordinates, one look forward each (Taori et al. 2019); zero in the others.

    Args:
        point: float, any shape.
        value: the value at ``point``.
        places: int64 (looks,), coordinates of the flattened point.
        size: how far to look, > 0.
    """
    looks = point.flatten().repeat(len(places), 1)
    # Inward at the upper edge of [-1, 1], where outward would look at what no gain may be.
    way = torch.where(point.flatten()[places] > 0, -size, size)
    looks[torch.arange(len(places)), places] += way
    values = yield looks.view(len(places), *point.shape)
    gradient = torch.zeros(point.numel())
    gradient[places] = ((values - value) / way).nan_to_num(0.0, 0.0, 0.0)
    return gradient.view_as(point)
