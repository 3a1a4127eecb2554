"""Which language a transcript is in: by its script, and by how common its words are in each language (wordfreq; Speer 2022)."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from langcodes import Language

from voiceattack.extras import optional_import
from voiceattack.languages import error_unit, language_code

__all__ = ["ENOUGH", "evidence", "foreign"]

ENOUGH = 3.0
"""Powers of ten: a text is taken for another language's when it is a thousand times likelier there."""
UNKNOWN = 2.5
"""Zipf frequency that a word without an entry counts as, one in three millions: the lists go down to one in a million."""
APART = ("ko", "sh")
"""Of wordfreq's, one that it splits by a package of its own, and one that is written in two scripts."""


def foreign(text: str, language: str) -> bool:
    """Whether a normalised text is in another language than ``language``; a text of no word is not.

    Raises:
        MissingExtraError: the scripts are the same and wordfreq is not installed.
    """
    return evidence(text, language) >= ENOUGH


def evidence(text: str, language: str, other: str | None = None) -> float:
    """How much likelier a normalised text is in another language, in powers of ten, >= 0.

    Letters of a script that ``language`` is not written in decide alone. Else each word counts the difference of its Zipf
    frequencies (van Heuven et al. 2014) in both languages, that of a word without an entry being 2.5. Names and loan words count
    for nothing much, and a short text has little evidence.

    Args:
        text: normalised.
        language: in which it is expected.
        other: the language to hold against it; None takes the one in which the text is likeliest.

    Raises:
        MissingExtraError: the scripts are the same and wordfreq is not installed.
    """
    own = language_code(language)
    letters = [character for character in text if character.isalpha()]
    if not letters:
        return 0.0
    share = sum(_script(letter) in _scripts(own) for letter in letters) / len(letters)
    if share < 0.5:
        return 10.0 * ENOUGH if other is None or _scripts(language_code(other)) & {_script(letter) for letter in letters} else 0.0
    words = text.split()
    if error_unit(own) == "character":
        return 0.0  # in its own script; nobody counts the words of it here
    others = [language_code(other)] if other is not None else [code for code in _known() if code != own]
    base = _likelihood(words, own)
    return max(0.0, *(_likelihood(words, code) - base for code in others))


def _likelihood(words: list[str], code: str) -> float:
    frequency = optional_import("wordfreq", extra="text", feature="telling the language of a transcript").zipf_frequency
    return sum(max(UNKNOWN, float(frequency(word, code, "small"))) for word in words)


@lru_cache(maxsize=1)
def _known() -> tuple[str, ...]:
    """Languages in Latin, Cyrillic, Greek or Arabic letters that wordfreq has; others are told by their script."""
    wordfreq = optional_import("wordfreq", extra="text", feature="telling the language of a transcript")
    there = sorted(wordfreq.available_languages("small"))
    return tuple(code for code in there if error_unit(code) == "word" and code not in APART)


@lru_cache(maxsize=256)
def _scripts(code: str) -> frozenset[str]:
    """First words of the Unicode names of the letters that a language is written in."""
    script = str(Language.get(code).maximize().script)
    return frozenset(_LETTERS.get(script, (script[:4].upper(),)))


_LETTERS = {
    "Latn": ("LATIN",),
    "Cyrl": ("CYRILLIC",),
    "Grek": ("GREEK",),
    "Arab": ("ARABIC",),
    "Hebr": ("HEBREW",),
    "Deva": ("DEVANAGARI",),
    "Beng": ("BENGALI",),
    "Taml": ("TAMIL",),
    "Telu": ("TELUGU",),
    "Kore": ("HANGUL",),
    "Hans": ("CJK",),
    "Hant": ("CJK",),
    "Jpan": ("CJK", "HIRAGANA", "KATAKANA"),
    "Thai": ("THAI",),
    "Armn": ("ARMENIAN",),
    "Geor": ("GEORGIAN",),
}


def _script(letter: str) -> str:
    name = unicodedata.name(letter, "").partition(" ")[0]
    return name.removesuffix("-UNIFIED")
