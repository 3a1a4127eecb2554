"""What a search spent on one clip, what it heard, and how near it came."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

__all__ = ["ClipLog", "Heard", "OutOfQueries", "disagreement", "zero_gradients"]


class OutOfQueries(Exception):
    """A clip has asked the victim as often as it may. ``Attack.craft`` then takes each clip's best candidate heard."""


@dataclass(frozen=True)
class Heard:
    """One candidate heard through the victim's ordinary path: its 16-bit samples, transcript, success, and nearness to it."""

    waveform: Tensor
    text: str
    success: bool
    nearness: float

    @property
    def rank(self) -> tuple[bool, float]:
        """In the order of which of two candidates is nearer to success."""
        return self.success, self.nearness


@dataclass
class ClipLog:
    """What was spent on one clip, and how it went.

    Attributes:
        steps, queries: gradient steps; transcriptions and scores asked of the victim.
        zero_gradients: steps at which the gradient was zero.
        checked, denied: candidates heard after the victim's cheap check had passed, and those of them that were heard otherwise.
        best: the candidate heard that is nearest to success.
        warnings: what else makes this clip's result doubtful; see :mod:`voiceattack.attacks.validity`.
        stages: the best candidate heard of each bin of ``stages_db`` decibels, by the bin's lower edge in dB.
        trace: how the search went.
        draws: what was drawn at random, JSON-safe.
        cut_short: whether the search would have asked more than ``max_queries`` allows.
        tokens_wrong, score, over_budget: how near the search came otherwise; see
            :class:`~voiceattack.attacks.shortfall.Shortfall`.
    """

    steps: int = 0
    queries: int = 0
    zero_gradients: int = 0
    checked: int = 0
    denied: int = 0
    best: Heard | None = None
    warnings: list[str] = field(default_factory=list)
    stages: dict[float, Heard] = field(default_factory=dict)
    trace: list[dict[str, Any]] = field(default_factory=list)
    draws: dict[str, Any] = field(default_factory=dict)
    cut_short: bool = False
    tokens_wrong: float | None = None
    score: float | None = None
    over_budget: float | None = None

    def nearer(self, name: Literal["tokens_wrong", "score"], value: float, direction: Literal["away", "toward"]) -> None:
        """Keep the nearest value so far: toward a text wrong tokens get fewer and it likelier; away the reverse."""
        before = getattr(self, name)
        least = (name == "tokens_wrong") == (direction == "toward")
        setattr(self, name, value if before is None else min(before, value) if least else max(before, value))

    @property
    def solved(self) -> bool:
        """Whether a success was heard."""
        return self.best is not None and self.best.success

    def take(self, heard: Heard) -> None:
        """Keep a candidate heard as the best where it is nearer to success than any before."""
        if self.best is None or heard.rank > self.best.rank:
            self.best = heard

    def prefer(self, heard: Heard) -> None:
        """Keep a candidate heard as the best though another is as near; not when another is nearer."""
        if self.best is None or heard.rank >= self.best.rank:
            self.best = heard

    def keep_stage(self, heard: Heard, snr_db: float, width_db: float) -> None:
        """Keep a candidate heard where it is the best of its bin of SNR; of equals the later, which has more search behind it."""
        if math.isfinite(snr_db):
            level = math.floor(snr_db / width_db) * width_db
            kept = self.stages.get(level)
            if kept is None or heard.rank >= kept.rank:
                self.stages[level] = heard

    def note(self, **facts: Any) -> None:
        """Append one line to the trace; floats are rounded so that the record stays readable."""
        self.trace.append({name: round(fact, 4) if isinstance(fact, float) else fact for name, fact in facts.items()})

    def doubts(self) -> list[str]:
        """What makes this clip's result doubtful, in the spirit of AutoAttack's checks: the counts' part, then the rest."""
        counted = (zero_gradients(self.zero_gradients, self.steps), disagreement(self.denied, self.checked))
        return [text for text in counted if text is not None] + self.warnings


def zero_gradients(zeros: int, steps: int) -> str | None:
    """A warning when more than a tenth of a clip's ``steps`` had a zero gradient: the search was blind there."""
    if steps and zeros >= steps:
        return "zero gradients at every step: the victim hides its gradient or the loss is saturated"
    return f"zero gradients at {zeros} of {steps} steps" if zeros > 0.1 * steps else None


def disagreement(denied: int, checked: int) -> str | None:
    """A warning when the ear denied most, and at least three, of the candidates that the victim's own loss held to be done.

    Rounding to 16 bits costs one now and then; more means that the victim decodes otherwise than its loss assumes.
    """
    if denied < 3 or 2 * denied <= checked:
        return None
    return (
        f"loss and transcript disagree: {denied} of {checked} candidates that passed the victim's cheap check were heard "
        "otherwise; its loss is not that of its ordinary decoding"
    )
