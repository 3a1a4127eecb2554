"""Edits that leave a sentence's meaning as it was, as far as a sentence encoder can tell."""

from __future__ import annotations

from collections.abc import Iterable

from voiceattack.text.edits import Edit, apply
from voiceattack.text.measures.sizes import semantic_similarity

__all__ = ["meaning_kept"]


def meaning_kept(text: str, edits: Iterable[Edit], least: float) -> list[Edit]:
    """Those of ``edits`` after each of which alone ``text`` has at least the semantic similarity ``least``, nearest first.

    Raises:
        MissingExtraError: the extra ``text`` is not installed.
    """
    scored = [(semantic_similarity(text, apply(text, [edit])), edit) for edit in dict.fromkeys(edits)]
    return [edit for similarity, edit in sorted(scored, key=lambda pair: (-pair[0], pair[1].new)) if similarity >= least]
