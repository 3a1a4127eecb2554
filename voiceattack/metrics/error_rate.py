"""An error rate over a corpus: all errors over all reference words, not the mean of the clips' rates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from typing_extensions import Self

from voiceattack.metrics.intervals import bootstrap_ratio
from voiceattack.metrics.text import WordErrors, word_errors

__all__ = ["ErrorRate"]


@dataclass
class ErrorRate:
    """Accumulates errors clip by clip.

    Attributes:
        errors: of each clip, in the order they came.
        lengths: reference words of each clip, or what else the errors are counted in.
    """

    errors: list[float] = field(default_factory=list)
    lengths: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, counts: Iterable[WordErrors]) -> Self:
        """The rate of clips whose words were aligned already."""
        rate = cls()
        for count in counts:
            rate.add(count.errors, count.reference_words)
        return rate

    def update(self, reference: str, hypothesis: str) -> None:
        """Add a clip by its texts, normalised before. Raises ValueError when the reference holds no word."""
        count = word_errors(reference, hypothesis)
        self.add(count.errors, count.reference_words)

    def add(self, errors: float, length: float) -> None:
        """Add a clip by its counts."""
        self.errors.append(errors)
        self.lengths.append(length)

    def capped(self) -> ErrorRate:
        """The same with no more errors in a clip than it has words, so that one repetition loop cannot carry the rate."""
        return ErrorRate([min(count, most) for count, most in zip(self.errors, self.lengths, strict=True)], self.lengths)

    def compute(self) -> float | None:
        """The rate, >= 0; None without a word."""
        total = sum(self.lengths)
        return sum(self.errors) / total if total else None

    def interval(self) -> tuple[float, float] | None:
        """Its 95% bootstrap interval over clips; None without a clip."""
        return bootstrap_ratio(self.errors, self.lengths)
