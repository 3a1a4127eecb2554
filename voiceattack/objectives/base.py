"""What one objective means: its success, how near a transcript comes to it, and where a search for it goes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from voiceattack.errors import SpecError
from voiceattack.metrics.text import normalize, word_errors
from voiceattack.victims.base import Transcript, Victim
from voiceattack.victims.intent import Intent

if TYPE_CHECKING:
    from voiceattack.audio.clips import Batch

__all__ = ["Aim", "Interpret", "Measure"]

Interpret = Callable[[str], Intent]
Measure = Literal[
    "wer_to_target", "wer_from_clean", "words_heard", "tokens_ratio", "share_of_limit", "repeats", "language_evidence"
]
"""What tells how near a transcript is to success: its WER against the text wanted, its WER (CER in languages without spaces)
against the clean transcript, its number of words (of a wake-word detector: whether it was detected), its tokens over those of
the clean transcript or over the most that the victim writes, how often words come in a row, or how much likelier the text is in
another language (powers of ten)."""


class Aim(ABC):
    """One kind of objective.

    Attributes:
        name: what users write; followed by ``:`` and what it ``takes``.
        takes: what follows the colon, in a word for messages; empty for nothing.
        needs: whether that must be given.
        wants: what it asks of the victim, in words that continue "made to ...".
        direction: whether a search moves away from the clean transcript or toward a text.
        targeted: whether the user gives that text.
        acts, wakes: whether success is judged on an assistant's actions, or on a detector of wake words.
        writes: whether a search holds the end of what is written down, and follows no text.
        follows_clean: whether what is wanted of a clip depends on what is heard in it when clean.
        of_words: whether a clip of which the words are misheard when clean has nothing to show.

    Args:
        argument: what followed the colon; empty for nothing.
        target: the text wanted; None for kinds that take none.
        wer_threshold: see :class:`~voiceattack.objectives.objective.Objective`.
        language: in which transcripts are compared.

    Raises:
        SpecError: these do not fit together.
    """

    name: ClassVar[str]
    takes: ClassVar[str] = ""
    needs: ClassVar[bool] = False
    wants: ClassVar[str] = ""
    direction: ClassVar[Literal["away", "toward"]] = "toward"
    targeted: ClassVar[bool] = False
    acts: ClassVar[bool] = False
    wakes: ClassVar[bool] = False
    writes: ClassVar[bool] = False
    of_words: ClassVar[bool] = True
    follows_clean: ClassVar[bool] = True

    def __init__(self, argument: str, target: str | None, wer_threshold: float, language: str) -> None:
        self.argument, self.target, self.wer_threshold, self.language = argument, target, wer_threshold, language
        kind = f"{self.name}:{argument}" if argument else self.name
        if self.targeted and not self.words(target or ""):
            raise SpecError(f"objective {kind} needs a target text with at least one word, got {target!r}; use --target TEXT")
        if not self.targeted and target is not None:
            raise SpecError(f"objective {kind} takes no target text; drop the target or use objective targeted")
        self.check()

    def check(self) -> None:
        """Refuse an argument that makes no sense.

        Raises:
            SpecError: says why.
        """
        return

    def check_victim(self, victim: Victim) -> None:
        """Refuse a victim of which this cannot be wanted.

        Raises:
            AttackError: says why, and what to do.
        """
        return

    def words(self, text: str) -> str:
        """Normalised."""
        return normalize(text, self.language)

    def told(self) -> str:
        """:attr:`wants`, with the argument and target in it."""
        return self.wants

    def text_for(self, victim: Victim, clean: str) -> str:
        """The text that a search moves away from or toward, by the raw clean transcript."""
        return clean

    def texts(self, victim: Victim, clips: Batch, heard: Sequence[str]) -> list[str]:
        """:meth:`text_for` of each clip; kinds that ask the victim override this."""
        return [self.text_for(victim, clean) for clean in heard]

    def refusal(self, clean: str) -> str | None:
        """Why a clip that is heard so when clean cannot show it; None where it can."""
        return None

    @abstractmethod
    def succeeded(self, clean: str, heard: str, interpret: Interpret | None) -> bool:
        """Whether a raw transcript is what was wanted, given that of the clean clip."""

    def met(self, clean: Transcript, heard: Transcript, interpret: Interpret | None) -> bool:
        """Whether what was heard is what was wanted, in every way in which the victim heard it."""
        return all(self.succeeded(clean.text, text, interpret) for text in heard.hypotheses)

    @abstractmethod
    def nearness(self, clean: str, heard: str) -> float:
        """How near a transcript comes to success, higher is nearer; its size is counted as :attr:`measure` says."""

    def nearest(self, clean: Transcript, heard: Transcript) -> float:
        """The least :meth:`nearness` over the ways in which it was heard."""
        return min(self.nearness(clean.text, text) for text in heard.hypotheses)

    @property
    @abstractmethod
    def measure(self) -> tuple[Measure, float | None]:
        """What the size of nearness counts, and the value that is a success; None where the victim's action decides."""

    def misheard(self, reference: str, clean: Transcript, words_differ: bool, interpret: Interpret | None) -> bool:
        """Whether the clean clip goes wrong already, so that its artefact shows nothing."""
        return self.of_words and words_differ

    def wer_to(self, text: str, heard: str) -> float:
        """WER of a raw transcript against a raw text that has words."""
        return word_errors(self.words(text), self.words(heard)).wer

    def wer_from(self, clean: str, heard: str) -> float:
        """WER, >= 0, against the clean transcript; invented words after silence count 1."""
        reference, words = self.words(clean), self.words(heard)
        if not reference:
            return 1.0 if words else 0.0
        return word_errors(reference, words).wer
