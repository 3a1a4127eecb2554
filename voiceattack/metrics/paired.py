"""Differences between two hearings of the same clips."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

__all__ = ["mcnemar", "paired_difference"]


def paired_difference(
    before: Sequence[float], after: Sequence[float], weights: Sequence[float], *, seed: int = 0, resamples: int = 2000
) -> tuple[float, tuple[float, float]] | None:
    """``sum(after - before) / sum(weights)`` over pairs, and its 95% percentile bootstrap interval (Bisani & Ney 2004).

    Args:
        before, after: errors, or 0 and 1 for success, one a clip, in the same order.
        weights: reference words of each clip, or 1; > 0.

    Returns:
        None when there are no pairs.

    Raises:
        ValueError: unequal lengths.
    """
    if not len(before) == len(after) == len(weights):
        raise ValueError(f"need pairs, got {len(before)} before, {len(after)} after, {len(weights)} weights")
    if not before:
        return None
    change, weight = np.asarray(after, dtype=float) - np.asarray(before, dtype=float), np.asarray(weights, dtype=float)
    picks = np.random.default_rng(seed).integers(0, len(change), size=(resamples, len(change)))
    low, high = np.percentile(change[picks].sum(axis=1) / weight[picks].sum(axis=1), [2.5, 97.5])
    return float(change.sum() / weight.sum()), (float(low), float(high))


def mcnemar(only_before: int, only_after: int) -> float:
    """Exact two-sided p-value of McNemar's test (1947), in (0, 1]: whether as many pairs changed one way as the other.

    Args:
        only_before: pairs with success before and none after.
        only_after: pairs with success after and none before.
    """
    n, fewer = only_before + only_after, min(only_before, only_after)
    tail = sum(math.comb(n, k) for k in range(fewer + 1))
    return min(1.0, float(2 * tail / 2**n))
