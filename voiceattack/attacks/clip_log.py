"""What a search spent on one clip, what it heard, and how near it came."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

__all__ = ["ClipLog", "Heard", "OutOfQueries"]


class OutOfQueries(Exception):
    """A clip has asked the victim as often as it may. ``Attack.craft`` then takes each clip's best candidate heard."""


@dataclass(frozen=True)
class Heard:
    """One candidate heard through the victim's ordinary path: its 16-bit samples, transcript, success, and nearness to it."""

    waveform: Tensor
    text: str
    success: bool
    nearness: float


@dataclass
class ClipLog:
    """What was spent on one clip, and how it went.

    Attributes:
        steps, queries: gradient steps; transcriptions and scores asked of the victim.
        zero_gradients: steps at which the gradient was zero.
        checked, denied: candidates heard after the victim's cheap check had passed, and those of them that were heard otherwise.
        best: the candidate heard that is nearest to success.
        warnings: what else makes this clip's result doubtful; see :mod:`voiceattack.attacks.validity`.
        stages: the best candidate heard of each bin of ``Problem.stages_db`` decibels, by the bin's lower edge in dB.
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
