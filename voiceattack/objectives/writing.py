"""Objectives on how much is written: ``slow``, ``runaway`` and ``repeat``.

A search for them holds the end of what the decoder writes down (:mod:`voiceattack.victims.whisper.writing`); what is said of the
clip does not count.
"""

from __future__ import annotations

import math

from voiceattack.errors import SpecError
from voiceattack.metrics.repetition import LEAST, loops, most_in_a_row
from voiceattack.objectives.base import Aim, Interpret, Measure
from voiceattack.victims.base import Transcript

__all__ = ["Repeat", "Runaway", "Slow"]

SLOW_FACTOR = 10.0
"""What ``slow`` alone asks for."""
AT_LIMIT = 0.95
"""Of the most that the victim writes: timestamps take places too."""


class _Writing(Aim):
    direction = "away"
    writes = True
    of_words = False


class Slow(_Writing):
    """Many times the tokens of the clean clip are written (Haque et al. 2023, SlothSpeech; there on features)."""

    name = "slow"
    takes = "FACTOR"

    def check(self) -> None:
        if not 1 < self.factor < math.inf:
            raise SpecError(f"objective slow:{self.argument}: the factor must be a number > 1, as in slow:10")

    @property
    def factor(self) -> float:
        """How many times the tokens of the clean clip, > 1; NaN where what was given is no number."""
        try:
            return float(self.argument) if self.argument else SLOW_FACTOR
        except ValueError:
            return math.nan

    def told(self) -> str:
        return f"write at least {self.factor:g} times as much as on the clean clip"

    def succeeded(self, clean: str, heard: str, interpret: Interpret | None) -> bool:
        return False  # text does not tell how many tokens it took

    def met(self, clean: Transcript, heard: Transcript, interpret: Interpret | None) -> bool:
        return tokens_ratio(clean, heard) >= self.factor

    def nearness(self, clean: str, heard: str) -> float:
        return 0.0

    def nearest(self, clean: Transcript, heard: Transcript) -> float:
        return tokens_ratio(clean, heard)

    @property
    def measure(self) -> tuple[Measure, float | None]:
        return "tokens_ratio", self.factor


class Runaway(_Writing):
    """The victim writes until it may write no more, which it does not on the clean clip."""

    name = "runaway"
    wants = "write to the victim's own limit"

    def succeeded(self, clean: str, heard: str, interpret: Interpret | None) -> bool:
        return False  # text does not tell where the limit is

    def met(self, clean: Transcript, heard: Transcript, interpret: Interpret | None) -> bool:
        return _share(heard) >= AT_LIMIT > _share(clean)

    def nearness(self, clean: str, heard: str) -> float:
        return 0.0

    def nearest(self, clean: Transcript, heard: Transcript) -> float:
        return _share(heard)

    @property
    def measure(self) -> tuple[Measure, float | None]:
        return "share_of_limit", AT_LIMIT


class Repeat(_Writing):
    """Words come over and over, as they do not on the clean clip (:mod:`voiceattack.metrics.repetition`)."""

    name = "repeat"
    wants = "repeat itself"

    def succeeded(self, clean: str, heard: str, interpret: Interpret | None) -> bool:
        return loops(self.words(heard)) and not loops(self.words(clean))

    def nearness(self, clean: str, heard: str) -> float:
        return float(most_in_a_row(self.words(heard)))

    @property
    def measure(self) -> tuple[Measure, float | None]:
        return "repeats", float(LEAST)


def tokens_ratio(clean: Transcript, heard: Transcript) -> float:
    """Tokens written over those of the clean clip, of which none counts as one; 0 where the victim does not tell."""
    return (heard.tokens or 0) / max(1, clean.tokens or 0) if clean.tokens is not None else 0.0


def _share(heard: Transcript) -> float:
    return (heard.tokens or 0) / heard.most_tokens if heard.most_tokens else 0.0
