"""``typos``: slips of the finger (TextBugger, Li et al. 2019; DeepWordBug, Gao et al. 2018)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from voiceattack.text import base
from voiceattack.text.edits import Edit, Word

__all__ = ["Typos"]

ROWS = {
    "en": ("qwertyuiop", "asdfghjkl", "zxcvbnm"),
    "de": ("qwertzuiopü", "asdfghjklöä", "yxcvbnm"),
    "fr": ("azertyuiop", "qsdfghjklm", "wxcvbn"),
}
STAGGER = (0.0, 0.25, 0.75)  # how far each row of keys stands to the right, in keys


class Typos(base.Perturbation):
    """One slip a word, never at its first letter, which readers miss least (Gao et al. do the same)."""

    name: ClassVar[str] = "typos"
    summary: ClassVar[str] = "neighbouring key, swapped, dropped or repeated letter"
    languages: ClassVar[frozenset[str] | None] = frozenset(ROWS)
    spoken: ClassVar[bool] = False

    class Params(base.Params):
        """Parameters of ``typos``: which slips, the keyboard, and the shortest word that gets one."""

        kinds: tuple[Literal["swap", "drop", "repeat", "key"], ...] = ("swap", "repeat", "drop", "key")
        keyboard: Literal["en", "de", "fr"] = "en"
        shortest: int = Field(default=3, ge=2)

    config: Params

    def options(self, text: str, words: list[Word], index: int) -> list[Edit]:
        word = words[index]
        if len(word.text) < self.config.shortest or not word.text.isalpha():
            return []
        found = []
        for kind in self.config.kinds:
            for at in range(word.start + 1, word.end):
                old = text[at]
                following = text[at + 1 : at + 2] if at + 1 < word.end else ""
                if kind == "swap" and following and following != old:
                    found.append(Edit(at, at + 2, old + following, following + old))
                elif kind == "drop":
                    found.append(Edit(at, at + 1, old, ""))
                elif kind == "repeat":
                    found.append(Edit(at, at + 1, old, old * 2))
                elif kind == "key":
                    found += [Edit(at, at + 1, old, key) for key in _neighbours(old, self.config.keyboard)]
        return found


def _neighbours(letter: str, keyboard: str) -> list[str]:
    """The keys next to a letter's, in its case."""
    where = {key: (x + STAGGER[y], y) for y, row in enumerate(ROWS[keyboard]) for x, key in enumerate(row)}
    if letter.lower() not in where:
        return []
    x, y = where[letter.lower()]
    near = sorted(key for key, (other, row) in where.items() if 0 < (other - x) ** 2 + (row - y) ** 2 <= 1.6)
    return [key.upper() if letter.isupper() else key for key in near]
