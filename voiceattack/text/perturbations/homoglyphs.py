"""``homoglyphs``: a letter replaced by a lookalike of Unicode's confusables data (Boucher et al. 2022)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from voiceattack.text import base
from voiceattack.text.edits import Edit, Word
from voiceattack.text.measures.glyphs import alike
from voiceattack.unicode_text import confusables

__all__ = ["Homoglyphs"]


class Homoglyphs(base.Perturbation):
    """The lookalikes that are drawn most like the letter, measured on their pictures (the paper takes one of a fixed table)."""

    name: ClassVar[str] = "homoglyphs"
    summary: ClassVar[str] = "a letter replaced by its lookalike"
    imperceptible: ClassVar[bool] = True
    spoken: ClassVar[bool] = False

    class Params(base.Params):
        """Parameters of ``homoglyphs``.

        Attributes:
            each: most lookalikes tried a letter.
            least_alike: least share of ink in common with the letter, 0 to 1.
        """

        each: int = Field(default=2, ge=1)
        least_alike: float = Field(default=0.8, ge=0, le=1)

    config: Params

    def options(self, text: str, words: list[Word], index: int) -> list[Edit]:
        found = []
        for at in range(words[index].start, words[index].end):
            ranked = [(alike(text[at], other), other) for other in confusables().get(text[at], ())]
            best = sorted((-score, other) for score, other in ranked if score >= self.config.least_alike)
            found += [(score, Edit(at, at + 1, text[at], other)) for score, other in best[: self.config.each]]
        return [edit for _, edit in sorted(found, key=lambda pair: pair[0])]
