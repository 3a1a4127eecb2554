"""``boundaries``: two neighbouring words, or one, said the same and cut elsewhere ("recognise speech", "wreck a nice beach")."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

from pydantic import Field

from voiceattack.text import base
from voiceattack.text.edits import Edit, Word
from voiceattack.text.measures import phonetics
from voiceattack.text.perturbations.homophones import cased

__all__ = ["Boundaries"]


class Boundaries(base.Perturbation):
    """The phones of one or two words cut into two common words at another place, each near in sound to its part."""

    name: ClassVar[str] = "boundaries"
    summary: ClassVar[str] = "words cut at another place, said nearly the same"
    languages: ClassVar[frozenset[str] | None] = frozenset({"en"})

    class Params(base.Params):
        """Parameters of ``boundaries``: most phones between old and new, how common a word must be, most offers a place."""

        max_distance: float = Field(default=1.0, ge=0, le=3)
        least_zipf: float = Field(default=3.5, ge=0, le=8)
        each: int = Field(default=12, ge=1)

    config: Params

    def options(self, text: str, words: list[Word], index: int) -> list[Edit]:
        found: list[Edit] = []
        for count in (2, 1):
            taken = words[index : index + count]
            if len(taken) == count and all(text[a.end : b.start] == " " for a, b in pairwise(taken)):
                found += self._cut(text, taken)
        found.sort(key=lambda edit: (edit.distance, edit.new))
        return found[: self.config.each]

    def _cut(self, text: str, taken: list[Word]) -> list[Edit]:
        said = phonetics.pronounce([word.text for word in taken])
        if said is None or len(said) < 3:
            return []
        start, end = taken[0].start, taken[-1].end
        old = text[start:end]
        was = len(phonetics.pronunciations(taken[0].text)[0]) if len(taken) == 2 else 0
        found: dict[str, float] = {}
        for at in range(1, len(said)):
            if at == was:
                continue
            for left_size, left in self._near(said[:at]):
                for right_size, right in self._near(said[at:]):
                    new = f"{left} {right}"
                    if left_size + right_size <= self.config.max_distance and new != old.lower():
                        found[new] = min(left_size + right_size, found.get(new, 9.0))
        best = sorted((size, new) for new, size in found.items())[: self.config.each]
        return [Edit(start, end, old, cased(new, old), len(taken), round(size, 3)) for size, new in best]

    def _near(self, said: phonetics.Phones) -> tuple[tuple[float, str], ...]:
        return phonetics.near(said, min(0.5, self.config.max_distance), self.config.least_zipf)[:6]
