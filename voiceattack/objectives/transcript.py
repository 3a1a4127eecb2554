"""Objectives on the whole transcript: ``untargeted``, ``targeted`` and ``mute``."""

from __future__ import annotations

from voiceattack.objectives.base import Aim, Interpret, Measure
from voiceattack.victims.base import Victim

__all__ = ["Mute", "Targeted", "Untargeted"]


class Untargeted(Aim):
    """Something else is heard: so much of the clean transcript is wrong."""

    name = "untargeted"
    wants = "be heard as anything else"
    direction = "away"

    def succeeded(self, clean: str, heard: str, interpret: Interpret | None) -> bool:
        return self.wer_from(clean, heard) >= self.wer_threshold

    def nearness(self, clean: str, heard: str) -> float:
        return self.wer_from(clean, heard)

    @property
    def measure(self) -> tuple[Measure, float | None]:
        return "wer_from_clean", self.wer_threshold


class Targeted(Aim):
    """Exactly the target is heard."""

    name = "targeted"
    follows_clean = False
    targeted = True

    def told(self) -> str:
        return f"be heard as “{self.target}”"

    def text_for(self, victim: Victim, clean: str) -> str:
        return str(self.target)

    def succeeded(self, clean: str, heard: str, interpret: Interpret | None) -> bool:
        return self.words(heard) == self.words(str(self.target))

    def nearness(self, clean: str, heard: str) -> float:
        return -self.wer_to(str(self.target), heard)

    @property
    def measure(self) -> tuple[Measure, float | None]:
        return "wer_to_target", 0.0


class Mute(Aim):
    """Nothing is heard."""

    name = "mute"
    follows_clean = False
    wants = "be heard as nothing"

    def text_for(self, victim: Victim, clean: str) -> str:
        return victim.mute_text

    def succeeded(self, clean: str, heard: str, interpret: Interpret | None) -> bool:
        return not self.words(heard)

    def nearness(self, clean: str, heard: str) -> float:
        return -float(len(self.words(heard).split()))

    @property
    def measure(self) -> tuple[Measure, float | None]:
        return "words_heard", 0.0
