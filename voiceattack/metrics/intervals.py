"""Confidence intervals at 95% and tests of differences, by SciPy, which is slow to import and so imported when asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["bootstrap_order", "bootstrap_ratio", "mcnemar", "paired_difference", "poisson", "wilson"]

Floats = NDArray[np.float64]


def wilson(successes: int, n: int) -> tuple[float, float] | None:
    """Score interval of a proportion (Wilson 1927), inside [0, 1]; None when ``n`` is 0.

    Raises:
        ValueError: not 0 <= successes <= n.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"need 0 <= successes <= n, got {successes} of {n}")
    if n == 0:
        return None
    from scipy.stats import binomtest

    found = binomtest(successes, n).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


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

    def ratio(places: NDArray[np.int64], axis: int) -> Floats:
        return np.asarray(above[places].sum(axis=axis) / below[places].sum(axis=axis))

    drawn = _bootstrap(np.arange(len(above)), ratio, resamples, seed, vectorized=True)
    # Not SciPy's own interval, whose 2.5 is 2.5000000000000022 and gives other last digits.
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def bootstrap_order(values: Sequence[float], pick: Callable[[Sequence[float]], float]) -> tuple[float, float]:
    """Bootstrap interval of an order statistic, as a median or maximum, over 1,000 draws: the 26th from either end, so that no
    mean is taken of a number and infinity, which stands for "never".

    Args:
        values: of each utterance, at least one; infinite ones too.
        pick: one of the values it is given.
    """
    drawn = np.sort(_bootstrap(np.asarray(values, dtype=float), pick, 1000, 0, vectorized=False))
    return float(drawn[25]), float(drawn[974])


def _bootstrap(data: NDArray[Any], statistic: Callable[..., Any], resamples: int, seed: int, *, vectorized: bool) -> Floats:
    """The statistic of each resample."""
    if len(data) == 1:  # which SciPy refuses
        return np.full(resamples, statistic(data, axis=-1) if vectorized else statistic(data))
    from scipy.stats import bootstrap

    with np.errstate(invalid="ignore"):  # of its own interval, between infinities
        found = bootstrap(
            (data,),
            statistic,
            n_resamples=resamples,
            method="percentile",
            vectorized=vectorized,
            random_state=np.random.default_rng(seed),
        )
    return np.asarray(found.bootstrap_distribution, dtype=float)


def poisson(count: int) -> tuple[float, float]:
    """Exact interval of the mean of a Poisson count (Garwood 1936): what a count of rare events, as false accepts, says at most.

    Raises:
        ValueError: ``count`` < 0.
    """
    from scipy.stats import chi2

    if count < 0:
        raise ValueError(f"need a count >= 0, got {count}")
    low = chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    return float(low), float(chi2.ppf(0.975, 2 * count + 2) / 2)


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
    change = [float(new) - float(old) for old, new in zip(before, after, strict=True)]
    interval = bootstrap_ratio(change, weights, seed=seed, resamples=resamples)
    return None if interval is None else (float(np.sum(change) / np.sum(weights)), interval)


def mcnemar(only_before: int, only_after: int) -> float:
    """Exact two-sided p-value of McNemar's test (1947), in (0, 1]: whether as many pairs changed one way as the other.

    Args:
        only_before: pairs with success before and none after.
        only_after: pairs with success after and none before.
    """
    if not only_before + only_after:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(only_before, only_before + only_after, 0.5).pvalue)
