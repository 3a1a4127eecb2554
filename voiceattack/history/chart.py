"""A gate's figure over the runs as SVG geometry: points computed here, drawn and coloured by the template."""

from __future__ import annotations

from dataclasses import dataclass

from voiceattack.history.changes import Change
from voiceattack.history.history import History
from voiceattack.history.series import Point, Series
from voiceattack.history.words import figure_told, run_told
from voiceattack.report.console import number

__all__ = ["Chart", "Mark", "charts"]

WIDTH, HEIGHT = 640, 170
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 28


@dataclass(frozen=True)
class Mark:
    """A run in the chart: where its figure and its interval lie, in pixels; ``told`` on hover."""

    x: float
    y: float
    low: float
    high: float
    verdict: str
    told: str


@dataclass(frozen=True)
class Chart:
    """A series, ready to be drawn.

    Attributes:
        series: which.
        changes: of it.
        now: its figure and verdict in the last run, in words.
        verdict: in the last run; ``gone`` where that no longer has it.
        marks: the runs with a figure.
        line: through them, as the points of a polyline.
        limit: where the gate's bound lies; None where it has none.
        across, down: ticks: pixels and label.
        cuts: where it changed: pixels, ``worse``, ``better`` or ``other``, and the number of the run.
    """

    series: Series
    changes: tuple[Change, ...]
    now: str
    verdict: str
    marks: tuple[Mark, ...]
    line: str
    limit: float | None
    across: tuple[tuple[float, str], ...]
    down: tuple[tuple[float, str], ...]
    cuts: tuple[tuple[float, str, int], ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def charts(history: History) -> list[Chart]:
    """One a gate, those that changed first."""
    found = [_chart(history, one) for one in history.series]
    return sorted(found, key=lambda one: not one.changes)


def _chart(history: History, series: Series) -> Chart:
    runs = len(history.runs)
    low, high = _range(series)

    def across(run: float) -> float:
        return round(LEFT + (run + 0.5) / runs * (WIDTH - LEFT - RIGHT), 1)

    def down(value: float) -> float:
        share = (min(max(value, low), high) - low) / (high - low)
        return round(TOP + (1 - share) * (HEIGHT - TOP - BOTTOM), 1)

    def mark(point: Point, value: float) -> Mark:
        ends = point.interval or (value, value)
        told = f"{run_told(history, point.run)}: {figure_told(point)}, {point.verdict}"
        return Mark(across(point.run), down(value), down(ends[0]), down(ends[1]), point.verdict, told)

    marks = tuple(mark(point, point.value) for point in series.points if point.value is not None)
    named = tuple(one for one in history.changes if one.series is series)
    last = series.points[-1]
    is_there = last.run == runs - 1
    limit = None if series.limit is None else down(series.limit)
    step = max(1, -(-runs // 8))
    return Chart(
        series=series,
        changes=named,
        now=figure_told(last) if is_there else f"last in run {last.run + 1}",
        verdict=last.verdict if is_there else "gone",
        marks=marks,
        line=" ".join(f"{one.x},{one.y}" for one in marks),
        limit=limit,
        across=tuple((across(run), str(run + 1)) for run in range(0, runs, step)),
        down=tuple((down(value), number(value, 2)) for value in (low, (low + high) / 2, high)),
        cuts=tuple((across(one.run - 0.5), _way(one), one.run + 1) for one in named),
    )


def _range(series: Series) -> tuple[float, float]:
    """What the chart shows: from zero, or the lowest where that is below, to what is highest of figures, intervals and limit."""
    values = [value for point in series.known for value in (point.value, *(point.interval or ())) if value is not None]
    values += [] if series.limit is None else [series.limit]
    low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    return (low, high) if high > low else (low, low + 1.0)


def _way(change: Change) -> str:
    return {True: "worse", False: "better", None: "other"}[change.worse]
