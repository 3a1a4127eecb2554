"""Words near in meaning by all-MiniLM-L6-v2, from the words that it knows as one token: a bounded vocabulary, and no download.

An embedding puts words near that occur alike, which synonyms do, but so do opposites (open, closed), numbers and colours. Those in
the tables below are left out, and so are forms of the word itself. What is left is near in meaning and not always a synonym.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from voiceattack.extras import optional_import
from voiceattack.text.numbers_units import NUMBER_WORDS
from voiceattack.victims.embedding import embed, token_vectors

__all__ = ["FUNCTION_WORDS", "LANGUAGES", "is_other", "nearest"]

LANGUAGES = frozenset({"en"})
SHORTLIST = 24
LEAST_ZIPF = 3.0  # once in a million words
FUNCTION_WORDS = frozenset(
    (
        "a an the this that these those my your his her its our their i you he she it we they me him us them and or but not no if then "
        "than as at by for from in into of off on onto out over to under up with is are was were be been am do does did have has had "
        "will would can could shall should may might must there here what which who whom whose when where why how any all some each "
        "every much many more most few less least other such only own same so too very"
    ).split()
)
"""Words that say how others hang together, and for which there are no synonyms."""
COLOURS = frozenset("red orange yellow green blue purple violet pink brown black white grey gray".split())  # noqa: SIM905
OPPOSITES = tuple(
    frozenset(pair.split())
    for pair in (
        "on off|up down|in out|open close|open closed|open shut|opened closed|lock unlock|locked unlocked|start stop|start end|begin end|"
        "begin stop|start finish|front back|front rear|front behind|first last|left right|upstairs downstairs|upper lower|top bottom|"
        "raise lower|increase decrease|more less|most least|louder quieter|loud quiet|hot cold|warm cool|warmer cooler|heat cool|bright "
        "dark|brighter dimmer|light dark|day night|morning evening|today tomorrow|today yesterday|add remove|show hide|play pause|pause "
        "resume|pause continue|enable disable|activate deactivate|connect disconnect|yes no|always never|all none|every no|all some|any "
        "none|before after|early late|long short|high low|big small|slow fast|slower faster|inside outside|arm disarm|mute unmute|north "
        "south|east west|indoor outdoor|entrance exit|enter leave|come go|give take|buy sell|win lose|love hate|good bad|new old"
    ).split("|")
)


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
    return {word: place for place, word in enumerate(words)}, torch.nn.functional.normalize(rows, dim=1)
