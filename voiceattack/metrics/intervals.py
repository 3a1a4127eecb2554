"""Confidence intervals at 95%."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

__all__ = ["bootstrap_ratio", "poisson", "wilson"]


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


def poisson(count: int) -> tuple[float, float]:
    """Exact interval of the mean of a Poisson count (Garwood 1936): what a count of rare events, as false accepts, says at most.

    Raises:
        ValueError: ``count`` < 0.
    """
    from scipy.stats import chi2  # slow to import

    if count < 0:
        raise ValueError(f"need a count >= 0, got {count}")
    low = chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    return float(low), float(chi2.ppf(0.975, 2 * count + 2) / 2)
