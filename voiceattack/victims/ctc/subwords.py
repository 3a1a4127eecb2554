"""CTC over pieces of words, as SentencePiece cuts them, each with the blank before it that begins a word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from voiceattack.errors import TargetError
from voiceattack.victims.ctc.vocabulary import SILENT_PUNCTUATION, Vocabulary

__all__ = ["SubwordVocabulary"]


@dataclass(frozen=True)
class SubwordVocabulary(Vocabulary):
    """What a CTC model of word pieces can write.

    Attributes:
        pieces: text to token ids, without special tokens.
        spelt: token ids to text.
    """

    pieces: Callable[[str], list[int]] = lambda text: []
    spelt: Callable[[list[int]], str] = lambda ids: ""

    def encode(self, text: str) -> list[int]:
        """Token ids of ``text``; [] for the empty text.

        Raises:
            TargetError: it comes back otherwise; the message says how.
        """
        known = set("".join(self.tokens))
        folded = "".join(letter for letter in self.folded(text) if letter in known or letter not in SILENT_PUNCTUATION)
        wanted = " ".join(folded.split())
        ids = self.pieces(wanted) if wanted else []
        if (said := self.spelt(ids).strip()) != wanted:
            raise TargetError(f"target {text!r} comes back from the victim's vocabulary as {said!r}; use other wording")
        return ids

    def decode(self, frames: Sequence[int]) -> str:
        return " ".join(self.spelt(self.collapse(frames)).split())
