"""Intervals and tests, against their formulas written out and numbers drawn by hand: stored figures are not to change."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from voiceattack.metrics.intervals import bootstrap_order, bootstrap_ratio, mcnemar, paired_difference, poisson, wilson

Z = 1.959963984540054


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (0, 20), (7, 20), (20, 20), (333, 1000)])
def test_wilson_by_its_formula(successes: int, n: int) -> None:
    share = successes / n
    centre = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    low, high = wilson(successes, n) or (None, None)
    assert low == pytest.approx(centre - half, abs=1e-15) and high == pytest.approx(centre + half, abs=1e-15)


def test_wilson_without_a_trial_and_beyond() -> None:
    assert wilson(0, 0) is None
    with pytest.raises(ValueError, match="successes"):
        wilson(2, 1)
    with pytest.raises(ValueError, match="successes"):
        wilson(-1, 1)


@pytest.mark.parametrize("count", [0, 1, 4, 30])
def test_poisson_leaves_a_fortieth_on_either_side(count: int) -> None:
    def at_most(k: int, mean: float) -> float:
        return sum(math.exp(-mean) * mean**n / math.factorial(n) for n in range(k + 1))

    low, high = poisson(count)
    assert at_most(count, high) == pytest.approx(0.025)
    assert low == 0 if count == 0 else 1 - at_most(count - 1, low) == pytest.approx(0.025)


def test_poisson_of_no_count() -> None:
    with pytest.raises(ValueError, match="count >= 0"):
        poisson(-1)


@pytest.mark.parametrize("n", [1, 2, 5, 64])
def test_the_ratio_interval_draws_clips_as_it_always_did(n: int) -> None:
    rng = np.random.default_rng(n)
    errors, words = rng.integers(0, 9, n), rng.integers(1, 12, n)
    picks = np.random.default_rng(0).integers(0, n, size=(2000, n))
    expected = np.percentile(errors[picks].sum(axis=1) / words[picks].sum(axis=1), [2.5, 97.5])
    assert bootstrap_ratio(errors.tolist(), words.tolist()) == tuple(expected)


def test_the_ratio_interval_is_none_without_a_clip_and_refuses_unequal_lists() -> None:
    assert bootstrap_ratio([], []) is None
    with pytest.raises(ValueError, match="equally many"):
        bootstrap_ratio([1], [])


@pytest.mark.parametrize("pick", [max, min, statistics.median_low])
@pytest.mark.parametrize("n", [1, 2, 9, 40])
def test_the_order_interval_draws_clips_as_it_always_did(n: int, pick: Callable[[Sequence[float]], float]) -> None:
    sizes = [size if size > 4 else -math.inf for size in np.random.default_rng(n).normal(5, 3, n).tolist()]
    picks = np.random.default_rng(0).integers(0, n, size=(1000, n))
    drawn = sorted(pick([sizes[index] for index in line]) for line in picks.tolist())
    assert bootstrap_order(sizes, pick) == (drawn[25], drawn[974])


def test_the_order_interval_leaves_25_draws_on_either_side() -> None:
    values = [float(value) for value in range(8000)]
    drawn = sorted(np.random.default_rng(0).integers(0, 8000, size=(1000, 8000))[:, 0].tolist())
    low, high = bootstrap_order(values, lambda some: float(some[0]))
    assert (sum(one < low for one in drawn), sum(one > high for one in drawn)) == (25, 25)


def test_the_paired_interval_draws_pairs() -> None:
    before, after, words = [1.0, 0.0, 3.0, 2.0], [2.0, 0.0, 1.0, 4.0], [4.0, 3.0, 5.0, 6.0]
    change = [1.0, 0.0, -2.0, 2.0]
    assert paired_difference(before, after, words) == (1 / 18, bootstrap_ratio(change, words))
    assert paired_difference([], [], []) is None
    for lists in (([1.0], [1.0, 2.0], [1.0]), ([1.0], [1.0], [])):
        with pytest.raises(ValueError, match="need pairs"):
            paired_difference(*lists)


@pytest.mark.parametrize(("one", "other"), [(0, 0), (0, 1), (3, 9), (12, 4), (7, 7), (0, 20)])
def test_mcnemar_sums_the_tails(one: int, other: int) -> None:
    n = one + other
    tail = sum(math.comb(n, k) for k in range(min(one, other) + 1))
    assert mcnemar(one, other) == pytest.approx(min(1.0, 2 * tail / 2**n))
