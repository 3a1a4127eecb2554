"""A figure that a gate speaks of: its value, its interval, what it is over and what speaks against the victim."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from voiceattack.metrics.intervals import wilson
from voiceattack.suite.samples import Sample

__all__ = ["Condition", "Figure", "FigureKind", "left_out", "nothing", "quietest_first", "rate"]

Condition = Callable[[Sample], bool]


@dataclass(frozen=True)
class Figure:
    """A figure of some samples.

    Attributes:
        value: None when nothing can be said, with the reason in ``note``; -inf for an SNR where nothing was fooled.
        interval: 95%; None when there is none.
        over: the samples it is over, one each clip, victim, attack and seed.
        against: the samples that speak against the victim, the worst first.
        note: what else a reader must know.
    """

    value: float | None
    interval: tuple[float, float] | None
    over: tuple[Sample, ...] = ()
    against: tuple[Sample, ...] = ()
    note: str = ""

    @property
    def n(self) -> int:
        """How many it is over."""
        return len(self.over)

    @property
    def different(self) -> int:
        """Over how many recordings: one that several victims, attacks or seeds took is one."""
        return len({sample.recording for sample in self.over})

    @property
    def worst(self) -> Sample | None:
        """The sample that speaks most against the victim; None when none does."""
        return self.against[0] if self.against else None


@dataclass(frozen=True)
class FigureKind:
    """A figure by name: how it is computed, over which samples, and whether more of it is worse for the victim."""

    compute: Callable[[Sequence[Sample], Condition], Figure]
    about: Literal["attack", "clean", "no-speech"]
    worse: Literal["more", "less", "neither"]
    summary: str


def nothing(note: str) -> Figure:
    """No figure, and why."""
    return Figure(None, None, note=note)


def left_out(n: int, why: str) -> str:
    """``2 clips left out, misheard before any attack``; empty for none."""
    return f"{n} {'clip' if n == 1 else 'clips'} left out, {why}" if n else ""


def rate(hits: Sequence[Sample], over: Sequence[Sample], empty: str) -> Figure:
    """The share of ``over`` that ``hits`` are, with Wilson's interval; ``empty`` says why there is none."""
    if not over:
        return nothing(empty)
    return Figure(len(hits) / len(over), wilson(len(hits), len(over)), tuple(over), quietest_first(hits))


def quietest_first(hits: Sequence[Sample]) -> tuple[Sample, ...]:
    """The samples by their SNR, the highest first."""
    return tuple(sorted(hits, key=lambda sample: -(sample.snr_db or -math.inf)))
