"""What the attacker wants of a transcript."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from voiceattack.errors import SpecError
from voiceattack.metrics.text import normalize, word_errors
from voiceattack.victims.base import Victim

__all__ = ["Objective", "ObjectiveKind"]

ObjectiveKind = Literal["untargeted", "targeted", "mute"]


@dataclass(frozen=True)
class Objective:
    """Success, defined on normalised transcripts only.

    Attributes:
        kind: ``untargeted`` (hear something else), ``targeted`` (hear exactly ``target``) or ``mute`` (hear nothing).
        target: the text wanted; for ``targeted`` only.
        wer_threshold: ``untargeted`` succeeds when the WER against the victim's own clean transcript is at least this, > 0.

    Raises:
        SpecError: the three do not fit together.
    """

    kind: ObjectiveKind = "untargeted"
    target: str | None = None
    wer_threshold: float = 0.5

    def __post_init__(self) -> None:
        if self.kind not in get_args(ObjectiveKind):
            raise SpecError(f"unknown objective {self.kind!r}; choose untargeted, targeted or mute")
        if self.kind == "targeted" and not normalize(self.target or ""):
            raise SpecError(
                f"objective targeted needs a target text with at least one word, got {self.target!r}; use --target TEXT"
            )
        if self.kind != "targeted" and self.target is not None:
            raise SpecError(f"objective {self.kind} takes no target text; drop the target or use objective targeted")
        if not self.wer_threshold > 0:
            raise SpecError(f"wer_threshold must be > 0, got {self.wer_threshold}")

    @property
    def name(self) -> str:
        """The kind."""
        return self.kind

    @property
    def direction(self) -> Literal["away", "toward"]:
        """Whether the search moves away from the clean transcript or toward a text."""
        return "away" if self.kind == "untargeted" else "toward"

    def text_for(self, victim: Victim, clean_hypothesis: str) -> str:
        """The text that the search moves away from or toward."""
        if self.kind == "targeted":
            return str(self.target)
        return victim.mute_text if self.kind == "mute" else clean_hypothesis

    def wer_against_clean(self, clean_hypothesis: str, hypothesis: str) -> float:
        """WER, >= 0, of the raw hypothesis against the raw clean one, both normalised; invented words after silence count 1."""
        reference, heard = normalize(clean_hypothesis), normalize(hypothesis)
        if not reference:
            return 1.0 if heard else 0.0
        return word_errors(reference, heard).wer

    def succeeded(self, clean_hypothesis: str, hypothesis: str) -> bool:
        """Whether ``hypothesis``, raw, is what the attacker wanted, given the victim's raw transcript of the clean clip."""
        if self.kind == "targeted":
            return normalize(hypothesis) == normalize(str(self.target))
        if self.kind == "mute":
            return not normalize(hypothesis)
        return self.wer_against_clean(clean_hypothesis, hypothesis) >= self.wer_threshold

    def nearness(self, clean_hypothesis: str, hypothesis: str) -> float:
        """How near a transcript comes to success, higher is nearer: WER from clean, or less the word errors still missing."""
        if self.kind == "untargeted":
            return self.wer_against_clean(clean_hypothesis, hypothesis)
        heard = normalize(hypothesis)
        if self.kind == "mute":
            return -float(len(heard.split()))
        return -word_errors(normalize(str(self.target)), heard).wer

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe, for recipes."""
        return {"objective": self.kind, "target": self.target, "wer_threshold": self.wer_threshold}
