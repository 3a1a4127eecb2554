"""``disfluencies`` and ``politeness``: words that people add without changing what they mean."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from voiceattack.text import base
from voiceattack.text.edits import Edit, Word

__all__ = ["Disfluencies", "Politeness"]


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

    def options(self, text: str, words: list[Word], place: int) -> list[Edit]:
        word = words[place]
        added = [f"{filler} " for filler in self.config.fillers]
        if self.config.repeat:
            added += [f"{word.text} ", *([f"{word.text[0]}- "] if len(word.text) > 3 else [])]
        return [Edit(word.start, word.start, "", new) for new in added]


class Politeness(base.Perturbation):
    """Polite words around the whole command: before its first word, or after its last."""

    name: ClassVar[str] = "politeness"
    summary: ClassVar[str] = "polite words before or after the command"
    languages: ClassVar[frozenset[str] | None] = frozenset({"en"})

    class Params(base.Params):
        """Parameters of ``politeness``: what is put before and after; the defaults are English."""

        before: tuple[str, ...] = ("please", "could you", "could you please", "hey,", "I'd like you to")
        after: tuple[str, ...] = ("please", "for me", "if you don't mind", "thanks")

    config: Params

    def options(self, text: str, words: list[Word], place: int) -> list[Edit]:
        word = words[place]
        found = []
        if place == 0:
            found += [Edit(word.start, word.start, "", f"{polite} ") for polite in self.config.before]
        if place == len(words) - 1:
            found += [Edit(word.end, word.end, "", f" {polite}") for polite in self.config.after]
        return found
