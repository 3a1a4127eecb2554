"""``deletions``: a letter and the backspace that takes it away again (Boucher et al. 2022)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from voiceattack.text import base
from voiceattack.text.edits import Edit, Word

__all__ = ["Deletions"]


class Deletions(base.Perturbation):
    """What is shown depends on the program: terminals carry the deletion out, others draw nothing or a box (Boucher et al.)."""

    name: ClassVar[str] = "deletions"
    summary: ClassVar[str] = "a letter and the backspace that takes it away"
    imperceptible: ClassVar[bool] = True
    spoken: ClassVar[bool] = False

    class Params(base.Params):
        """Parameters of ``deletions``: the letters that are typed and deleted."""

        letters: str = Field(default="x", min_length=1)

    config: Params

    def options(self, text: str, words: list[Word], index: int) -> list[Edit]:
        word = words[index]
        middle = (word.start + word.end) // 2
        places = sorted(range(word.start + 1, word.end + 1), key=lambda at: (abs(at - middle), at))
        return [Edit(at, at, "", f"{letter}\b") for at in places for letter in self.config.letters]
