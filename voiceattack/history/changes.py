"""When a gate's figure changed for good: the split of its runs that divides them best, while chance does not explain it.

The test is the one that the figure allows.

* A share of clips: Fisher's exact test of the clips before and after, pooled, as if each clip were drawn anew in each run. The
  same clips are heard in each, so runs of one system differ less than that, and the test errs on the side of silence.
* A figure with another interval: the difference of the means weighed by the intervals, in standard errors.
* A figure without one: the ranks, by Pettitt (1979) where and by Mann and Whitney (1947) whether.

The p-value is multiplied by the number of splits tried in all series together (Bonferroni), and a change is named below 0.01: of
a hundred histories in which nothing happened, one or fewer names a change. Each side of a change is searched again.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from voiceattack.history.series import Point, Series

__all__ = ["ALPHA", "Change", "changes"]

Side = Sequence[Point]
ALPHA = 0.01
"""How probable one change named by chance may be, over all series of a history."""


@dataclass(frozen=True)
class Change:
    """A series that changed.

    Attributes:
        series: which.
        run: place in the history, from 0, of the first run that has the new level.
        before, after: means of the figure over the runs from the change before it to it, and from it to the next.
        runs_before, runs_after: how many these are.
        p: that it is chance, after the correction.
        in_last_run_only: whether no second run confirms it yet.
    """

    series: Series
    run: int
    before: float
    after: float
    runs_before: int
    runs_after: int
    p: float
    in_last_run_only: bool

    @property
    def worse(self) -> bool | None:
        """Whether it went where the gate does not want it; None for a gate without direction."""
        more = self.series.more_is_worse
        return None if more is None else (self.after > self.before) == more


def changes(found: Sequence[Series]) -> list[Change]:
    """Every change of every series, in the order of time."""
    splits = sum(max(0, len(one.known) - 1) for one in found)
    named = [change for one in found for change in _of(one, splits)]
    return sorted(named, key=lambda change: change.run)


def _of(series: Series, splits: int) -> list[Change]:
    points = series.known
    if len({point.value for point in points}) < 2:
        return []
    test = _test(points)
    cuts: dict[int, float] = {}
    _search(points, 0, len(points), test, splits, cuts)
    edges = [0, *sorted(cuts), len(points)]
    named = []
    for start, cut, end in zip(edges, edges[1:], edges[2:], strict=False):
        before, after = points[start:cut], points[cut:end]
        last = points[cut].run == series.points[-1].run
        named.append(Change(series, points[cut].run, _mean(before), _mean(after), len(before), len(after), cuts[cut], last))
    return named


@dataclass(frozen=True)
class _Test:
    """``distance`` orders splits, the greatest being the best; ``p`` is of one split, before the correction."""

    distance: Callable[[Side, Side], float]
    p: Callable[[Side, Side], float]


def _search(points: Side, start: int, end: int, test: _Test, splits: int, cuts: dict[int, float]) -> None:
    """Into ``cuts``: where ``points[start:end]`` are best divided, with the corrected p, and so on in both parts."""
    if end - start < 2:
        return
    cut = max(range(start + 1, end), key=lambda one: test.distance(points[start:one], points[one:end]))
    p = test.p(points[start:cut], points[cut:end]) * splits
    if p < ALPHA:
        cuts[cut] = p
        _search(points, start, cut, test, splits, cuts)
        _search(points, cut, end, test, splits, cuts)


def _test(points: Side) -> _Test:
    if all(point.trials is not None for point in points):
        return _Test(_likelihood_ratio, _fisher)
    errors = [_standard_error(point) for point in points]
    known = sorted(error for error in errors if error)
    if not known or None in errors:
        return _Test(_pettitt, _mann_whitney)
    # An interval of no width is one that few clips could not tell: it is taken for no narrower than the others.
    floor = known[len(known) // 2]

    def distance(before: Side, after: Side) -> float:
        return _in_standard_errors(before, after, floor)

    return _Test(distance, lambda before, after: math.erfc(distance(before, after) / math.sqrt(2)))


def _likelihood_ratio(before: Side, after: Side) -> float:
    """How much likelier two shares are than one, in log units."""
    tallies = [_tally(before), _tally(after)]
    together = (tallies[0][0] + tallies[1][0], tallies[0][1] + tallies[1][1])
    return sum(_log_likelihood(*tally) for tally in tallies) - _log_likelihood(*together)


def _log_likelihood(hits: int, trials: int) -> float:
    return sum(count * math.log(count / trials) for count in (hits, trials - hits) if count)


def _fisher(before: Side, after: Side) -> float:
    from scipy.stats import fisher_exact

    table = [(hits, trials - hits) for hits, trials in (_tally(before), _tally(after))]
    return float(fisher_exact(table)[1])


def _tally(side: Side) -> tuple[int, int]:
    """Successes and trials."""
    return sum(point.successes or 0 for point in side), sum(point.trials or 0 for point in side)


def _in_standard_errors(before: Side, after: Side, floor: float) -> float:
    means, variances = [], []
    for side in (before, after):
        weights = [max(_standard_error(point) or 0.0, floor) ** -2 for point in side]
        means.append(sum(w * (point.value or 0.0) for w, point in zip(weights, side, strict=True)) / sum(weights))
        variances.append(1 / sum(weights))
    return abs(means[1] - means[0]) / math.sqrt(sum(variances))


def _pettitt(before: Side, after: Side) -> float:
    """How far the pairs across a split are from being even (Pettitt 1979): greatest at the step, to a run."""
    lower, upper = (sorted(point.value or 0.0 for point in side) for side in (before, after))
    below = sum(bisect.bisect_left(lower, value) + bisect.bisect_right(lower, value) for value in upper) / 2
    return abs(below - len(lower) * len(upper) / 2)


def _mann_whitney(before: Side, after: Side) -> float:
    from scipy.stats import mannwhitneyu

    sides = [[point.value for point in side] for side in (before, after)]
    # All alike on both sides: SciPy's p would be 0 / 0.
    return 1.0 if len({value for side in sides for value in side}) < 2 else float(mannwhitneyu(*sides).pvalue)


def _standard_error(point: Point) -> float | None:
    return None if point.interval is None else (point.interval[1] - point.interval[0]) / (2 * 1.96)


def _mean(side: Side) -> float:
    """Of shares, over all clips."""
    if all(point.trials for point in side):
        hits, trials = _tally(side)
        return hits / trials
    return sum(point.value or 0.0 for point in side) / len(side)
