"""``zero-width``: an invisible character inside a word, or at its end (Boucher et al. 2022)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from voiceattack.text import base
from voiceattack.text.edits import Edit, Word

__all__ = ["ZeroWidth"]


class ZeroWidth(base.Perturbation):
    """One zero-width character at each place of a word, its middle first. The paper injects several; one a word is asked here."""

    name: ClassVar[str] = "zero-width"
    summary: ClassVar[str] = "an invisible character inside a word"
    imperceptible: ClassVar[bool] = True
    spoken: ClassVar[bool] = False

    class Params(base.Params):
        """Parameters of ``zero-width``: which characters, as a string; each is tried."""

        characters: str = Field(default="\u200b\u200c\u200d\u2060", min_length=1)

    config: Params

    def options(self, text: str, words: list[Word], index: int) -> list[Edit]:
        word = words[index]
        middle = (word.start + word.end) // 2
        places = sorted(range(word.start + 1, word.end + 1), key=lambda at: (abs(at - middle), at))
        return [Edit(at, at, "", character) for at in places for character in self.config.characters]
