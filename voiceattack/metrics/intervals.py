"""Confidence intervals at 95%."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

__all__ = ["bootstrap_ratio", "wilson"]


def wilson(successes: int, n: int, z: float = 1.959963984540054) -> tuple[float, float] | None:
    """Score interval of a proportion (Wilson 1927), inside [0, 1]; None when ``n`` is 0.

    Raises:
        ValueError: not 0 <= successes <= n.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"need 0 <= successes <= n, got {successes} of {n}")
    if n == 0:
        return None
    share = successes / n
    scale = 1 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale
    return max(0.0, centre - half), min(1.0, centre + half)


def bootstrap_ratio(
    numerators: Sequence[float], denominators: Sequence[float], *, seed: int = 0, resamples: int = 2000
) -> tuple[float, float] | None:
    """Percentile bootstrap of ``sum(numerators) / sum(denominators)`` over utterances (Efron 1979; for WER: Bisani & Ney 2004).

    Args:
        numerators: errors of each utterance.
        denominators: reference words of each utterance, > 0.
        seed: of the resampling, so that the same results give the same interval.

    Returns:
        2.5th and 97.5th percentiles; None when there are no utterances.

    Raises:
        ValueError: unequal lengths.
    """
    if len(numerators) != len(denominators):
        raise ValueError(f"need equally many numerators and denominators, got {len(numerators)} and {len(denominators)}")
    if not numerators:
        return None
    above, below = np.asarray(numerators, dtype=float), np.asarray(denominators, dtype=float)
    picks = np.random.default_rng(seed).integers(0, len(above), size=(resamples, len(above)))
    low, high = np.percentile(above[picks].sum(axis=1) / below[picks].sum(axis=1), [2.5, 97.5])
    return float(low), float(high)
