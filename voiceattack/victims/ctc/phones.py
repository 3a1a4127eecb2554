"""Phones in place of letters: a vocabulary whose tokens stand apart by spaces, with ``|`` between words."""

from __future__ import annotations

from collections.abc import Sequence

from voiceattack.errors import TargetError
from voiceattack.victims.ctc.vocabulary import Vocabulary

__all__ = ["PHONES", "Phones"]

PHONES = "qaa"
"""Of ISO 639's codes for local use, that of phones here: each counts as a word, and nothing is folded but ``|``."""
BETWEEN = "|"


class Phones(Vocabulary):
    """What a model of phones can write: ``h i | w ɑ z``."""

    def encode(self, text: str) -> list[int]:
        """Token ids of phones with spaces between them; ``|`` is the mark between words where there is one.

        Raises:
            TargetError: phones that no token writes; the message names them.
        """
        index = {token: place for place, token in enumerate(self.tokens) if token and place != self.blank}
        if self.delimiter is not None:
            index[BETWEEN] = index[self.delimiter]
        said = text.split()
        if lacking := [phone for phone in dict.fromkeys(said) if phone not in index]:
            raise TargetError(
                f"target {text!r} holds {', '.join(map(repr, lacking))}, which are no phones of the victim; write phones of the "
                "IPA with spaces between them, as transcribe prints them"
            )
        return [index[phone] for phone in said]

    def trimmed(self, ids: Sequence[int]) -> list[int]:
        """``ids`` without marks between words, which are not compared."""
        mark = None if self.delimiter is None else self.tokens.index(self.delimiter)
        return [token for token in ids if token != mark]

    def decode(self, frames: Sequence[int]) -> str:
        """The phones that per-frame token ids spell, ``|`` between words and not at the ends."""
        said = [BETWEEN if self.tokens[token] == self.delimiter else self.tokens[token] for token in self.collapse(frames)]
        words = " ".join(said).split(BETWEEN)
        return f" {BETWEEN} ".join(" ".join(word.split()) for word in words if word.strip())
