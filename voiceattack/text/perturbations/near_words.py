"""Words near in meaning by all-MiniLM-L6-v2, from the words that it knows as one token: a bounded vocabulary, and no download.

An embedding puts words near that occur alike, which synonyms do, but so do opposites (open, closed), numbers and colours. Those
of :mod:`voiceattack.text.perturbations.word_classes` are left out, and so are forms of the word itself. What is left is near in
meaning and not always a synonym.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from voiceattack.extras import optional_import
from voiceattack.text.perturbations.numbers_units import NUMBER_WORDS
from voiceattack.text.perturbations.word_classes import COLOURS, FUNCTION_WORDS, OPPOSITES
from voiceattack.victims.text.embedding import embed, token_vectors

__all__ = ["LANGUAGES", "is_other", "nearest"]

LANGUAGES = frozenset({"en"})
SHORTLIST = 24
LEAST_ZIPF = 3.0  # once in a million words


def nearest(word: str, least_alike: float) -> list[str]:
    """Words whose embeddings have at least the cosine ``least_alike`` with that of ``word`` (lower case), the nearest first.

    Raises:
        MissingExtraError: the extra ``text`` is not installed.
    """
    known, vectors = _vocabulary()
    if word not in known or word in NUMBER_WORDS or word in COLOURS:
        return []
    cosines, places = (vectors @ vectors[known[word]]).topk(SHORTLIST + 1)
    del cosines  # of single tokens, out of context: they make the shortlist, and the encoder itself decides
    names = list(known)
    others = [names[place] for place in places.tolist() if is_other(word, names[place])]
    scored = [(float(embed(word) @ embed(other)), other) for other in others]
    return [other for cosine, other in sorted(scored, key=lambda pair: (-pair[0], pair[1])) if cosine >= least_alike]


def is_other(word: str, other: str) -> bool:
    """Whether ``other`` is another word, neither a form of ``word`` nor in a class whose members exclude each other."""
    stem, same = sorted((word, other), key=len)
    if stem[:4] in same or frozenset((word, other)) in OPPOSITES or other in FUNCTION_WORDS:
        return False
    return other not in NUMBER_WORDS and other not in COLOURS and other.removeprefix("un") != word


@lru_cache(maxsize=1)
def _vocabulary() -> tuple[dict[str, int], Tensor]:
    """Common words that are one token, by their row in the second: their input vectors, centred, of norm 1."""
    frequency = optional_import("wordfreq", extra="text", feature="words near in meaning").zipf_frequency
    tokens, vectors = token_vectors()
    words = [
        word for word in tokens if word.isascii() and word.isalpha() and len(word) > 2 and frequency(word, "en") >= LEAST_ZIPF
    ]
    rows = vectors[[tokens[word] for word in words]]
    rows = rows - rows.mean(dim=0)
    return {word: index for index, word in enumerate(words)}, torch.nn.functional.normalize(rows, dim=1)
