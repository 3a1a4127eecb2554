"""Words and edits of a text: what was replaced by what, so that every change can be undone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Edit", "Word", "apply", "revert", "words_of"]

WORD = re.compile(r"[^\W_]+(?:['’.][^\W_]+)*")


@dataclass(frozen=True)
class Word:
    """One word of a text, without the punctuation around it: characters ``start`` to ``end``."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, order=True)
class Edit:
    """Characters ``start`` to ``end`` of the clean text, ``old``, become ``new``.

    Attributes:
        words: how many words of the clean text it touches, at least 1.
        distance: phonetic distance of ``old`` and ``new`` in phones, for changes of sound; None for others.
    """

    start: int
    end: int
    old: str
    new: str
    words: int = 1
    distance: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe, with what the change is in code points."""
        return {
            "start": self.start,
            "end": self.end,
            "old": self.old,
            "new": self.new,
            "words": self.words,
            "distance": self.distance,
        }


def words_of(text: str) -> list[Word]:
    """The words of ``text``, in order."""
    return [Word(match.group(), match.start(), match.end()) for match in WORD.finditer(text)]


def apply(text: str, edits: Iterable[Edit]) -> str:
    """``text`` with all ``edits`` made.

    Raises:
        ValueError: edits overlap, or one does not fit the text.
    """
    parts: list[str] = []
    at = 0
    for edit in sorted(edits):
        if edit.start < at or text[edit.start : edit.end] != edit.old:
            raise ValueError(f"{edit} overlaps another edit or is of another text")
        parts += [text[at : edit.start], edit.new]
        at = edit.end
    return "".join([*parts, text[at:]])


def revert(changed: str, edits: Sequence[Edit]) -> str:
    """The clean text of which :func:`apply` made ``changed``.

    Raises:
        ValueError: ``changed`` was not made by these edits.
    """
    shift = 0
    back = []
    for edit in sorted(edits):
        start = edit.start + shift
        back.append(Edit(start, start + len(edit.new), edit.new, edit.old))
        shift += len(edit.new) - len(edit.old)
    return apply(changed, back)
