"""How large a change of wording is: edits, words, meaning, looks, sound."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from rapidfuzz.distance import Levenshtein

from voiceattack.errors import MissingExtraError
from voiceattack.text.edits import Edit, words_of
from voiceattack.text.measures.glyphs import alike
from voiceattack.unicode_text import shown, skeleton
from voiceattack.victims.text.embedding import embed

__all__ = ["measure", "semantic_similarity", "visual_similarity"]


def measure(clean: str, changed: str, edits: Sequence[Edit]) -> dict[str, Any]:
    """All sizes of one change.

    Returns:
        ``edit_distance`` in characters (Levenshtein), ``words_touched``, ``words_share`` in [0, 1], ``semantic_similarity`` in
        [-1, 1] and ``visual_similarity`` in [0, 1] (None without the extra ``text``), and ``phonetic_distance``, the largest of
        a single edit in phones (None unless every edit is a change of sound).
    """
    words = sum(edit.words for edit in edits)
    distances = [edit.distance for edit in edits]
    try:
        semantic: float | None = round(semantic_similarity(clean, changed), 4)
        visual: float | None = round(visual_similarity(clean, changed), 4)
    except MissingExtraError:
        semantic = visual = None
    return {
        "edit_distance": Levenshtein.distance(clean, changed),
        "words_touched": words,
        "words_share": round(words / max(1, len(words_of(clean))), 4),
        "semantic_similarity": semantic,
        "visual_similarity": visual,
        "phonetic_distance": max((d for d in distances if d is not None), default=None) if None not in distances else None,
    }


@lru_cache(maxsize=4096)
def semantic_similarity(one: str, other: str) -> float:
    """Cosine of the sentence embeddings of what a reader sees of the two texts, -1 to 1: an invisible change leaves it at 1.

    Raises:
        MissingExtraError: the extra ``text`` is not installed.
    """
    first, second = skeleton(one), skeleton(other)
    if first == second:
        return 1.0
    return float(embed(first) @ embed(second))


def visual_similarity(one: str, other: str) -> float:
    """Share of what is drawn that stays, 0 to 1: an edit distance over the characters shown, where a character drawn as another
    costs the ink that they do not share.

    Raises:
        MissingExtraError: bidirectional controls without the extra ``text``.
    """
    first, second = shown(one), shown(other)
    above = [float(index) for index in range(len(second) + 1)]
    for row, old in enumerate(first, 1):
        line = [float(row)]
        for index, new in enumerate(second):
            line.append(min(above[index] + 1 - alike(old, new), above[index + 1] + 1, line[index] + 1))
        above = line
    return 1 - above[-1] / max(1, len(first), len(second))
