"""Objectives on the language of what is written: ``wrong-language`` and ``translate``.

Models of several languages fail so (Raina and Gales 2024 make Whisper translate, there by a prepended segment). What a search
moves toward is what the victim itself writes of the clean clip when it is told another language or task.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from voiceattack.errors import AttackError, TargetError
from voiceattack.metrics.text_language import ENOUGH, evidence
from voiceattack.objectives.base import Aim, Interpret, Measure
from voiceattack.victims.base import DifferentiableVictim, Victim, differentiates

if TYPE_CHECKING:
    from voiceattack.audio.clips import Batch

__all__ = ["Translate", "WrongLanguage"]

PHRASES = {
    "de": "Vielen Dank für Ihre Aufmerksamkeit.",
    "es": "Muchas gracias por su atención.",
    "fr": "Merci beaucoup pour votre attention.",
    "en": "Thank you very much for your attention.",
}
"""What is aimed at where the victim knows one language alone."""


class WrongLanguage(Aim):
    """Another language is written than the victim's: by its script, or by how common its words are."""

    name = "wrong-language"
    wants = "be written in another language"

    def check_victim(self, victim: Victim) -> None:
        evidence("a", victim.language)  # says what to install

    def text_for(self, victim: Victim, clean: str) -> str:
        return next(text for code, text in PHRASES.items() if code != self.language)

    def texts(self, victim: Victim, clips: Batch, heard: Sequence[str]) -> list[str]:
        if not differentiates(victim):
            return super().texts(victim, clips, heard)
        return [self._likeliest(victim, clips.select([row])) for row in range(len(clips))]

    def _likeliest(self, victim: DifferentiableVictim, clip: Batch) -> str:
        """Of what the victim writes when told another language, and of the phrases, what it is likeliest to write untold."""
        codes = [code for code in PHRASES if code != self.language]
        own = [text for code in codes if (text := victim.heard_as(clip, language=code)) is not None]
        found = [text for text in (*own, *(PHRASES[code] for code in codes)) if self._usable(victim, text)]
        if not found:
            raise AttackError(f"victim {victim.spec!r} can write no other language; give a text with --target")
        scores = victim.score(clip.select([0] * len(found)), found)
        return found[int(scores.argmax())]

    def _usable(self, victim: DifferentiableVictim, text: str) -> bool:
        if not self.succeeded("", text, None):
            return False
        try:
            victim.check_target(text)
        except TargetError:
            return False
        return True

    def succeeded(self, clean: str, heard: str, interpret: Interpret | None) -> bool:
        return self._evidence(heard) >= ENOUGH

    def nearness(self, clean: str, heard: str) -> float:
        return self._evidence(heard)

    def _evidence(self, heard: str) -> float:
        return evidence(self.words(heard), self.language)

    @property
    def measure(self) -> tuple[Measure, float | None]:
        return "language_evidence", ENOUGH


class Translate(WrongLanguage):
    """English is written of speech in another language, as when the victim is told to translate; not by how good it is."""

    name = "translate"
    wants = "be translated into English"

    def check_victim(self, victim: Victim) -> None:
        super().check_victim(victim)
        if victim.language == "en":
            raise AttackError(
                f"objective translate is for speech in another language than English, and victim {victim.spec!r} hears English; "
                "add ?language=de, or want wrong-language"
            )

    def text_for(self, victim: Victim, clean: str) -> str:
        return PHRASES["en"]

    def _likeliest(self, victim: DifferentiableVictim, clip: Batch) -> str:
        text = victim.heard_as(clip, task="translate")
        return text if text is not None and self._usable(victim, text) else PHRASES["en"]

    def _evidence(self, heard: str) -> float:
        return evidence(self.words(heard), self.language, "en") if self.language != "en" else 0.0
