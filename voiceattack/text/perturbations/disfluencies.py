"""``disfluencies``: what people say while they search for words."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from voiceattack.text import base
from voiceattack.text.edits import Edit, Word

__all__ = ["Disfluencies"]


class Disfluencies(base.Perturbation):
    """A filler before a word, or the word's beginning said twice ("the k- kitchen lamp")."""

    name: ClassVar[str] = "disfluencies"
    summary: ClassVar[str] = "a filler or a repeated beginning before a word"
    languages: ClassVar[frozenset[str] | None] = frozenset({"en"})

    class Params(base.Params):
        """Parameters of ``disfluencies``: the fillers, and whether words are also begun twice."""

        fillers: tuple[str, ...] = Field(default=("um,", "uh,", "er,", "you know,", "I mean,"), min_length=1)
        repeat: bool = True

    config: Params

    def options(self, text: str, words: list[Word], index: int) -> list[Edit]:
        word = words[index]
        added = [f"{filler} " for filler in self.config.fillers]
        if self.config.repeat:
            added += [f"{word.text} ", *([f"{word.text[0]}- "] if len(word.text) > 3 else [])]
        return [Edit(word.start, word.start, "", new) for new in added]
