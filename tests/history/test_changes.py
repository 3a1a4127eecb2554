"""When a figure changed: shares by their clips, other figures by their intervals, figures without one by ranks."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from voiceattack.history import Series
from voiceattack.history.changes import changes
from voiceattack.history.series import Point


def series(values: Sequence[float | None], half: float | None, sign: str = "<=") -> Series:
    """A figure with an interval so wide to either side; None for one without."""
    points = [
        Point(run, "passed", value, None if half is None or value is None else (value - half, value + half), 10)
        for run, value in enumerate(values)
    ]
    return Series("gate", "wer", "v", "a", sign, 1.0, tuple(points))


def noisy(level: float, n: int, seed: int, spread: float = 0.02) -> list[float]:
    rng = random.Random(seed)
    return [level + rng.gauss(0, spread) for _ in range(n)]


@pytest.mark.parametrize("half", [0.05, None], ids=["intervals", "ranks"])
def test_a_step_is_found_where_it_is_and_noise_is_none(half: float | None) -> None:
    for seed in range(10):
        assert changes([series(noisy(0.3, 30, seed), half)]) == []
        (found,) = changes([series(noisy(0.3, 16, seed) + noisy(0.5, 14, seed + 99), half)])
        # Ranks alone cannot tell a last low value that is the highest of them from the first high one.
        assert found.run in ((16,) if half else (15, 16, 17)) and found.worse and not found.in_last_run_only
        assert found.before == pytest.approx(0.3, abs=0.02) and found.after == pytest.approx(0.5, abs=0.02)


def test_there_and_back_are_two_changes_and_the_sign_says_which_is_worse() -> None:
    values = noisy(0.3, 10, 1) + noisy(0.6, 10, 2) + noisy(0.3, 10, 3)
    assert [(one.run, one.worse) for one in changes([series(values, 0.05)])] == [(10, True), (20, False)]
    assert [one.worse for one in changes([series(values, 0.05, ">=")])] == [False, True]
    assert [one.worse for one in changes([series(values, 0.05, "")])] == [None, None]


def test_runs_without_a_figure_are_passed_over() -> None:
    values: list[float | None] = [*noisy(0.3, 10, 1), None, None, *noisy(0.9, 10, 2)]
    (found,) = changes([series(values, 0.05)])
    assert (found.run, found.runs_before, found.runs_after) == (12, 10, 10)
    assert changes([series([None, None], 0.05)]) == [] == changes([series([0.3], 0.05)])


def test_the_more_is_looked_at_the_more_is_asked_of_a_change() -> None:
    """A step that stands out alone is no more than chance among two hundred series."""
    step = series([0.3] * 4 + [0.37] * 4, 0.05)
    assert len(changes([step])) == 1
    assert changes([step, *(series([0.3] * 8, 0.05) for _ in range(200))]) == []
