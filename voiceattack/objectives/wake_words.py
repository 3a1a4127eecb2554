"""Objectives on a detector of wake words: ``evade`` and ``false-trigger``."""

from __future__ import annotations

from voiceattack.objectives.base import Aim, Interpret, Measure
from voiceattack.victims.base import Transcript

__all__ = ["Evade", "FalseTrigger"]


class Evade(Aim):
    """The wake word is said and not detected."""

    name = "evade"
    wants = "be missed by the wake-word detector"
    direction = "away"
    wakes = True

    def succeeded(self, clean: str, heard: str, interpret: Interpret | None) -> bool:
        return not self.words(heard)

    def nearness(self, clean: str, heard: str) -> float:
        return -float(len(self.words(heard).split()))

    @property
    def measure(self) -> tuple[Measure, float | None]:
        return "words_heard", 0.0

    def misheard(self, reference: str, clean: Transcript, words_differ: bool, interpret: Interpret | None) -> bool:
        return not self.words(clean.text)


class FalseTrigger(Aim):
    """The wake word is not said and detected."""

    name = "false-trigger"
    wants = "be taken for the wake word"
    wakes = True

    def succeeded(self, clean: str, heard: str, interpret: Interpret | None) -> bool:
        return bool(self.words(heard))

    def nearness(self, clean: str, heard: str) -> float:
        return float(bool(self.words(heard)))

    @property
    def measure(self) -> tuple[Measure, float | None]:
        return "words_heard", 1.0

    def misheard(self, reference: str, clean: Transcript, words_differ: bool, interpret: Interpret | None) -> bool:
        return bool(self.words(clean.text))
