"""``homophones``: a word that sounds the same, or nearly so."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from voiceattack.text import base
from voiceattack.text.edits import Edit, Word
from voiceattack.text.measures import phonetics

__all__ = ["Homophones", "cased"]


class Homophones(base.Perturbation):
    """Common words within a phonetic distance, the nearest first (homophones have distance 0)."""

    name: ClassVar[str] = "homophones"
    summary: ClassVar[str] = "a word that sounds the same or nearly so"
    languages: ClassVar[frozenset[str] | None] = frozenset({"en"})

    class Params(base.Params):
        """Parameters of ``homophones``.

        Attributes:
            max_distance: most phones between the two, see :func:`voiceattack.text.measures.phonetics.distance`.
            least_zipf: how common a word must be; 3 is once in a million words.
            each: most words tried for one.
        """

        max_distance: float = Field(default=1.0, ge=0, le=3)
        least_zipf: float = Field(default=3.0, ge=0, le=8)
        each: int = Field(default=12, ge=1)

    config: Params

    def options(self, text: str, words: list[Word], index: int) -> list[Edit]:
        word = words[index]
        found: dict[str, float] = {}
        for said in phonetics.pronunciations(word.text):
            for size, other in phonetics.near(said, self.config.max_distance, self.config.least_zipf):
                if other != word.text.lower():
                    found[other] = min(size, found.get(other, size))
        best = sorted(((size, other) for other, size in found.items()), key=lambda pair: round(pair[0], 1))[: self.config.each]
        return [Edit(word.start, word.end, word.text, cased(other, word.text), 1, round(size, 3)) for size, other in best]


def cased(word: str, like: str) -> str:
    """``word`` with a capital when ``like`` has one."""
    return word[:1].upper() + word[1:] if like[:1].isupper() else word
