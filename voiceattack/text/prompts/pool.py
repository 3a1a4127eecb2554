"""Candidates for a prompt: words that sound like those said, repetitions, and the same with a letter changed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from voiceattack.text.edits import words_of
from voiceattack.text.measures import phonetics

__all__ = ["candidates", "mutated", "random_prompt"]

SEEDS = (
    "...",
    "um, uh, um, uh,",
    "no no no no no no no",
    "the the the the the",
    "OKAY. OKAY. OKAY.",
    "1. 2. 3. 4. 5. 6.",
    "la la la la la la",
)
LETTERS = "abcdefghijklmnopqrstuvwxyz .,"
MOST = 320


def candidates(clean: str, max_chars: int) -> list[str]:
    """Prompts of at most ``max_chars`` characters for a clip heard as ``clean``: words that sound like those said, alone, in
    pairs and beside those said, repetitions, and a few that suit any clip.

    Raises:
        MissingExtraError: the extra ``text`` is not installed.
    """
    words = [word.text.lower() for word in words_of(clean)]
    alike: list[list[str]] = []
    for word in words:
        near = [other for said in phonetics.pronunciations(word) for _, other in phonetics.near(said, 1.0, 3.0) if other != word]
        alike.append(list(dict.fromkeys(near))[:6])
    singles = [other for others in alike for other in others]
    pairs = [f"{a} {b}" for one, two in pairwise(alike) for a in one[:3] for b in two[:3]]
    beside = [f"{words[index]} {b}" for index, two in enumerate(alike[1:]) for b in two[:4]]
    before = [f"{a} {words[index + 1]}" for index, one in enumerate(alike[:-1]) for a in one[:4]]
    capitals = [single.capitalize() for single in singles]
    loops = [" ".join([word] * 4) for word in [*words, *singles[:8]]]
    # The likeliest first, for victims that cannot be ranked: what sounds like the first words, and the word after it.
    texts = [*before, *loops, *beside, *SEEDS, *pairs, *singles, *capitals]
    return [text for text in dict.fromkeys(text[:max_chars].strip() for text in texts) if text][:MOST]


def mutated(prompt: str, max_chars: int, rng: np.random.Generator) -> str:
    """One letter of ``prompt`` dropped, doubled, replaced or put in."""
    at = int(rng.integers(len(prompt)))
    letter = LETTERS[int(rng.integers(len(LETTERS)))]
    new = [prompt[:at] + prompt[at + 1 :], prompt[:at] + prompt[at] + prompt[at:], prompt[:at] + letter + prompt[at + 1 :]]
    new.append(prompt[:at] + letter + prompt[at:])
    return new[int(rng.integers(len(new)))][:max_chars].strip() or prompt


def random_prompt(max_chars: int, rng: np.random.Generator) -> str:
    """Common words drawn blindly, up to ``max_chars`` characters: the control beside a searched prompt."""
    words = list(dict.fromkeys(word for word, _, _ in phonetics.common_words(4.0)))
    found = ""
    for place in rng.permutation(len(words)).tolist():
        if len(found) + 1 + len(words[place]) <= max_chars:
            found = f"{found} {words[place]}".strip()
        if len(found) >= max_chars - 3:
            break
    return found
