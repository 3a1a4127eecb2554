"""``?normalise=nfkc+confusables``: any victim that reads, with a defence before it."""

from __future__ import annotations

from typing import Any

from voiceattack.errors import SpecError
from voiceattack.unicode_text import normalise, parse_steps
from voiceattack.victims.base import Victim
from voiceattack.victims.intent import Intent
from voiceattack.victims.wrappers.base import VictimWrapper

__all__ = ["NormalisedVictim"]


class NormalisedVictim(VictimWrapper):
    """Reads every text after :func:`voiceattack.unicode_text.normalise`; hears as the victim inside does.

    Args:
        inner: a victim that acts.
        steps: of the defence, ``"nfkc+confusables"``.

    Raises:
        SpecError: an unknown step, or a victim that reads no text.
    """

    def __init__(self, inner: Victim, steps: str) -> None:
        parse_steps(steps)
        if "acts" not in inner.capabilities:
            raise SpecError("normalise is a defence of victims that read text (intents:home, hf-text:...); leave it out here")
        super().__init__(inner)
        self.steps = steps

    def interpret(self, text: str) -> Intent:
        """What the victim inside makes of the normalised text."""
        return self.inner.interpret(normalise(text, self.steps))

    def confidences(self, text: str) -> dict[str, float] | None:
        return self.inner.confidences(normalise(text, self.steps))

    def describe(self) -> dict[str, Any]:
        return {**self.inner.describe(), "spec": self.spec, "normalise": self.steps}
