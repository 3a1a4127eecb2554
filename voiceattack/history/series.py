"""A gate's figure over many runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from voiceattack.history.past import PastFigure, PastGate, PastRun
from voiceattack.metrics.intervals import wilson

__all__ = ["Point", "Series", "series_of"]

BOUND = re.compile(r"\s*\w+\s*(<=|>=|==|!=|<|>)\s*(-?\d+(?:\.\d+)?(?:[eE]-?\d+)?)(%?)")


@dataclass(frozen=True)
class Point:
    """A gate in one run.

    Attributes:
        run: place of the run in the history, from 0.
        verdict: as the run judged.
        value, interval: the figure as the run reported it; None where it could not be judged.
        n: clips.
        successes, trials: where the figure is a share of clips, of all seeds together; else None.
    """

    run: int
    verdict: str
    value: float | None
    interval: tuple[float, float] | None
    n: int
    successes: int | None = None
    trials: int | None = None


@dataclass(frozen=True)
class Series:
    """One gate, for one victim and attack.

    Attributes:
        name: the gate with its group, as reports show it.
        figure: what it is about.
        victim, attack: the group; empty where all were judged together.
        sign, limit: of its bound; the sign is empty where it cannot be read.
        points: one a run that has the gate, in the order of time.
    """

    name: str
    figure: str
    victim: str
    attack: str
    sign: str
    limit: float | None
    points: tuple[Point, ...]

    @property
    def known(self) -> list[Point]:
        """Those with a figure."""
        return [point for point in self.points if point.value is not None]

    @property
    def more_is_worse(self) -> bool | None:
        """As the gate's sign has it; None where it has no direction."""
        return {"<": True, "<=": True, ">": False, ">=": False}.get(self.sign)


def series_of(runs: Sequence[PastRun]) -> list[Series]:
    """The gates of all runs, in the order in which they are first met."""
    found: dict[str, list[tuple[int, PastGate]]] = {}
    for place, run in enumerate(runs):
        for gate in run.gates:
            found.setdefault(gate.name, []).append((place, gate))
    return [_series(name, members) for name, members in found.items()]


def _series(name: str, members: Sequence[tuple[int, PastGate]]) -> Series:
    last = members[-1][1]
    bound = BOUND.match(last.gate)
    limit = None if bound is None else float(bound[2]) / (100 if bound[3] else 1)
    points = tuple(_point(place, gate) for place, gate in members)
    sign = "" if bound is None else bound[1]
    return Series(name, last.figure, last.victim or "", last.attack or "", sign, limit, points)


def _point(place: int, gate: PastGate) -> Point:
    counts = [_share(one) for one in gate.seeds or [gate]]
    known = [one for one in counts if one is not None]
    whole = bool(known) and len(known) == len(counts)
    successes, trials = (sum(side) for side in zip(*known, strict=True)) if whole else (None, None)
    return Point(place, gate.verdict, gate.value, _ends(gate), gate.n, successes, trials)


def _ends(one: PastFigure) -> tuple[float, float] | None:
    if one.interval is None or len(one.interval) != 2 or None in one.interval:
        return None
    low, high = one.interval
    assert low is not None and high is not None
    return low, high


def _share(one: PastFigure) -> tuple[int, int] | None:
    """Successes and trials where the figure is a share of clips, which its interval tells: a proportion has Wilson's."""
    ends = _ends(one)
    if one.value is None or ends is None or not one.n or not 0 <= one.value <= 1:
        return None
    successes = round(one.value * one.n)
    if abs(successes - one.value * one.n) > 1e-6:
        return None
    expected = wilson(successes, one.n)
    close = expected is not None and all(abs(a - b) < 1e-3 for a, b in zip(expected, ends, strict=True))
    return (successes, one.n) if close else None
