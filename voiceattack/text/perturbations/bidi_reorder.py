"""``bidi``: two neighbouring letters stored the other way round, and turned back on the screen (Boucher et al. 2022)."""

from __future__ import annotations

from typing import ClassVar

from voiceattack.text import base
from voiceattack.text.edits import Edit, Word

__all__ = ["Bidi"]

ISOLATE, OVERRIDE, POP, POP_ISOLATE = "\u2066", "\u202e", "\u202c", "\u2069"


class Bidi(base.Perturbation):
    """A right-to-left override around two letters in reverse, in an isolate so that nothing else moves; a word's middle first.

    The paper nests swaps of whole halves; a single swap per word is asked here.
    """

    name: ClassVar[str] = "bidi"
    summary: ClassVar[str] = "letters stored in another order than shown"
    imperceptible: ClassVar[bool] = True
    spoken: ClassVar[bool] = False

    def options(self, text: str, words: list[Word], index: int) -> list[Edit]:
        word = words[index]
        middle = (word.start + word.end) / 2 - 1
        places = sorted(range(word.start, word.end - 1), key=lambda at: (abs(at - middle), at))
        pairs = [(at, text[at], text[at + 1]) for at in places if text[at] != text[at + 1]]
        return [
            Edit(at, at + 2, one + two, f"{ISOLATE}{OVERRIDE}{two}{one}{POP}{POP_ISOLATE}")
            for at, one, two in pairs
            if one.isascii() and two.isascii()
        ]
