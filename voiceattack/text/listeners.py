"""Who answers a text, and what the answer is: an action, a label, or what was heard of the spoken text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rapidfuzz.distance import Levenshtein
from torch import Tensor

from voiceattack.audio.clips import Batch
from voiceattack.errors import AttackError
from voiceattack.metrics.text import normalize
from voiceattack.victims.base import Victim
from voiceattack.victims.wrappers.cache import remembering

__all__ = ["NOTHING", "Answer", "Listener"]

NOTHING = "-"
"""The answer when nothing is understood and nothing is done."""


@dataclass(frozen=True)
class Answer:
    """What a victim made of a text.

    Attributes:
        label: the action, class or normalised transcript, comparable; :data:`NOTHING` when there is none.
        heard: the raw transcript, when the text was spoken.
        confidences: of each label in [0, 1], when the victim tells.
        evidence: what a running assistant was seen to do, see :class:`~voiceattack.victims.intent.Intent`.
        language: of ``heard``.
    """

    label: str
    heard: str | None = None
    confidences: dict[str, float] | None = None
    evidence: dict[str, Any] = field(default_factory=dict, compare=False)
    language: str = field(default="en", compare=False)

    def away_from(self, clean: Answer) -> float:
        """How far this answer is from ``clean``: what a search climbs. In [0, 1], and 1 to 2 once it differs."""
        if self.label != clean.label:
            return 1.0 + (0.0 if self.confidences is None else self.confidences.get(self.label, 0.0))
        if self.confidences is not None:
            return 1.0 - self.confidences.get(clean.label, 0.0)
        if self.heard is not None and clean.heard is not None:
            return Levenshtein.normalized_distance(self._words(clean), self._words(self))
        return 0.0

    def _words(self, answer: Answer) -> list[str]:
        return normalize(answer.heard or "", self.language).split()


class Listener:
    """A victim as one that answers texts; every text is asked once.

    Args:
        victim: it interprets (``acts``), or hears, or both.
        speak: text to audio float32 (samples,) at 16 kHz; needed when the victim is to hear the text. With it the answer is the
            action of what was heard where the victim also interprets, else what was heard.
        interpreter: who acts on what ``victim`` heard, when it does not itself.

    Raises:
        AttackError: the victim hears only, and nobody speaks.
    """

    def __init__(self, victim: Victim, speak: Callable[[str], Tensor] | None = None, interpreter: Victim | None = None) -> None:
        self.victim = victim
        self.speak = speak
        self.interpreter = victim if interpreter is None else interpreter
        self.acts = "acts" in self.interpreter.capabilities
        if interpreter is not None and not self.acts:
            raise AttackError(f"victim {interpreter.spec!r} reads no text; as interpreter name one that does, as intents:home")
        self.queries = 0
        self._known: dict[str, Answer] = {}
        self._counted: set[str] = set()
        if speak is None and not self.acts:
            raise AttackError(
                f"victim {victim.spec!r} hears and reads no text; add --speak to speak the text to it, "
                "or name a victim that reads: intents:home, hf-text:<folder>"
            )

    def begin(self) -> None:
        """Another search begins. What earlier ones asked is not asked again but counts as asked, so that no figure of a text
        depends on which were searched before it, or whether in one run or two."""
        self._counted.clear()

    def answer(self, text: str) -> Answer:
        """The victim's answer; in one search the same text costs one query. Raises VictimError as the victim does."""
        if text not in self._counted:
            self.queries += 1
            self._counted.add(text)
        if text not in self._known:
            self._known[text] = self.hear(self.speak(text)) if self.speak is not None else self.read(text)
        return self._known[text]

    def remember(self, folder: Path) -> None:
        """Keep what is heard of spoken texts in ``folder``; see :mod:`voiceattack.victims.wrappers.cache`."""
        if self.speak is not None:
            acts_itself = self.interpreter is self.victim
            self.victim = remembering(self.victim, folder)
            self.interpreter = self.victim if acts_itself else self.interpreter

    def read(self, text: str) -> Answer:
        """The answer to a typed text."""
        intent = self.interpreter.interpret(text)
        return Answer(str(intent) if intent else NOTHING, None, self.interpreter.confidences(text), dict(intent.evidence))

    def hear(self, waveform: Tensor) -> Answer:
        """The answer to audio float32 (samples,) at 16 kHz."""
        transcript = self.victim.transcribe(Batch.of([waveform]))[0]
        heard = transcript.text
        if self.acts:
            done = transcript.action if self.interpreter is self.victim else None
            intent = self.interpreter.interpret(heard) if done is None else done
            return Answer(str(intent) if intent else NOTHING, heard, None, dict(intent.evidence), self.victim.language)
        return Answer(normalize(heard, self.victim.language) or NOTHING, heard, language=self.victim.language)

    def guess(self, text: str) -> Answer | None:
        """What the spoken text would do if it were heard to the letter: costs nothing and orders the search; None if unknown."""
        return self.read(text) if self.speak is not None and self.acts else None
