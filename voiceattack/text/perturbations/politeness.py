"""``politeness``: polite words around a command, which leave what it asks for as it is."""

from __future__ import annotations

from typing import ClassVar

from voiceattack.text import base
from voiceattack.text.edits import Edit, Word

__all__ = ["Politeness"]


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

    def options(self, text: str, words: list[Word], index: int) -> list[Edit]:
        word = words[index]
        found = []
        if index == 0:
            found += [Edit(word.start, word.start, "", f"{polite} ") for polite in self.config.before]
        if index == len(words) - 1:
            found += [Edit(word.end, word.end, "", f" {polite}") for polite in self.config.after]
        return found
