"""``?normalise=nfkc+confusables``: any victim that reads, with a defence before it."""

from __future__ import annotations

from typing import Any

from voiceattack.audio.clips import Batch
from voiceattack.errors import SpecError
from voiceattack.unicode_text import normalise, parse_steps
from voiceattack.victims.base import Transcript, Victim
from voiceattack.victims.intent import Intent

__all__ = ["NormalisedVictim"]


class NormalisedVictim(Victim):
    """Reads every text after :func:`voiceattack.unicode_text.normalise`; hears as the victim inside does.

    Args:
        inner: a victim that interprets.
        steps: of the defence, ``"nfkc+confusables"``.

    Raises:
        SpecError: an unknown step, or a victim that reads no text.
    """

    def __init__(self, inner: Victim, steps: str) -> None:
        parse_steps(steps)
        if not hasattr(inner, "interpret"):
            raise SpecError("normalise is a defence of victims that read text (intents:home, hf-text:...); leave it out here")
        self.inner, self.steps = inner, steps
        self.language, self.max_seconds, self.costly = inner.language, inner.max_seconds, inner.costly
        if hasattr(inner, "confidences"):
            self.confidences = lambda text: inner.confidences(normalise(text, steps))

    def interpret(self, text: str) -> Intent:
        """What the victim inside makes of the normalised text."""
        intent: Intent = self.inner.interpret(normalise(text, self.steps))
        return intent

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return self.inner.transcribe(batch)

    def describe(self) -> dict[str, Any]:
        return {**self.inner.describe(), "spec": self.spec, "normalise": self.steps}
