"""Error rates of transcripts, by jiwer, after the Whisper normaliser, which see: docs/reference/normalisation.md."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

import jiwer
import regex

from voiceattack.languages import error_unit, language_code
from voiceattack.metrics.metric import Metric
from voiceattack.unicode_text import plain_apostrophes

__all__ = [
    "CER",
    "MOST_COMPARED",
    "NORMALIZER",
    "WER",
    "WordErrors",
    "cer",
    "compared",
    "cut_note",
    "letters",
    "normalize",
    "spaced",
    "tokens_as_said",
    "wer",
    "word_errors",
]

MOST_COMPARED = 50_000
"""Characters of a text, about an hour of speech, that are normalised and aligned: aligning takes their square in time."""
MOST_ALIGNED = 2 * MOST_COMPARED
"""Characters of a normalised text, in which each character may have become a word, that are aligned."""
RULES = 2
"""Raise it with every change of what :func:`normalize` returns."""


def _normalizer_name() -> str:
    try:
        return f"whisper-normalizer {version('whisper-normalizer')}, rules {RULES}"
    except PackageNotFoundError:
        return f"whisper-normalizer, rules {RULES}"


NORMALIZER = _normalizer_name()
"""Name and version of the normaliser, for run.json and baselines: figures of two are not comparable."""

_HIDDEN = regex.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]|\\p{Me}|(?!\u200b)\\p{Cf}|(?<![\\p{L}\\p{N}\\p{M}])\\p{M}+")
"""What is no part of a word: variation selectors, enclosing and format characters, marks without a letter."""
DOTTED = frozenset({"tr", "az"})
"""Languages in which ``I`` is the capital of the dotless i (Unicode's SpecialCasing)."""

Fold = Callable[[str], str]


@lru_cache(maxsize=64)
def _normalizer(language: str) -> Fold:
    if language == "en":
        return _english(numbers=True)
    from whisper_normalizer.basic import BasicTextNormalizer

    # Vowel signs, viramas and points are marks: without them other words are left.
    basic: Fold = BasicTextNormalizer(preserve_marks=True, split_letters=error_unit(language) == "character")

    def fold(text: str) -> str:
        text = unicodedata.normalize("NFKC", text)
        if language in DOTTED:
            text = text.replace("\u0130", "i").replace("I", "\u0131")
        return basic(_HIDDEN.sub("", text).replace("\u200b", " "))

    return fold


@lru_cache(maxsize=2)
def _english(numbers: bool) -> Fold:
    from whisper_normalizer.english import EnglishTextNormalizer

    folding = EnglishTextNormalizer()
    if not numbers:
        folding.standardize_numbers = str
    fold: Fold = folding
    return fold


def normalize(text: str, language: str = "en") -> str:
    """Case, punctuation, numbers and spelling folded as Whisper's authors do (Radford et al. 2022, appendix C), with
    typographic apostrophes read as apostrophes; docs/reference/normalisation.md says where it differs from theirs.

    Args:
        text: a raw transcript; of a very long one the part that is :func:`compared`.
        language: see :func:`voiceattack.languages.language_code`; other languages than English get the basic normaliser, marks
            kept. Where words are not set apart by spaces each character becomes a word of its own, so that what counts words
            counts characters.

    Raises:
        SpecError: no such language.
    """
    return _folded(compared(text), language_code(language))


@lru_cache(maxsize=1 << 15)
def _folded(text: str, code: str) -> str:
    folded = _normalizer(code)(plain_apostrophes(text)).strip()
    # The normaliser leaves the odd full stop of "..." behind; punctuation alone is nothing heard.
    return folded if any(character.isalnum() for character in folded) else ""


def tokens_as_said(text: str, language: str = "en") -> list[str]:
    """The words of :func:`normalize` before numbers are folded: ``seven o clock``, where that makes ``70 clock`` of it."""
    code, text = language_code(language), compared(text)
    return (_english(numbers=False)(plain_apostrophes(text)) if code == "en" else normalize(text, code)).split()


def spaced(text: str, language: str) -> str:
    """A raw text with spaces between its characters where the language has none between its words, else as it is."""
    return text if error_unit(language) == "word" else " ".join(regex.findall(r"\X", "".join(text.split())))


def compared(text: str, most: int = MOST_COMPARED) -> str:
    """What of ``text`` is normalised, aligned and counted: all, or the whole words of its first ``most`` characters.

    A recogniser that a clip drives mad, or a server that lies, may answer a megabyte, on which alignment alone takes minutes.
    """
    if len(text) <= most:
        return text
    cut = text[:most]
    return cut if text[most].isspace() else cut[: cut.rfind(" ")] if " " in cut else cut


def cut_note(**texts: str | None) -> list[str]:
    """A warning for each text of which only a part is :func:`compared`, by what it is: ``cut_note(transcript=text)``."""
    return [
        f"the {name.replace('_', ' ')} has {len(text):,} characters, of which the first {MOST_COMPARED:,} are compared"
        for name, text in texts.items()
        if text is not None and compared(text) is not text
    ]


@dataclass(frozen=True)
class WordErrors:
    """Counts of a minimum-edit word alignment, and their ratio."""

    hits: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def reference_words(self) -> int:
        """Words in the reference, > 0."""
        return self.hits + self.substitutions + self.deletions

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def wer(self) -> float:
        """Word error rate, >= 0; above 1 where words were invented."""
        return self.errors / self.reference_words


def word_errors(reference: str, hypothesis: str) -> WordErrors:
    """Word errors of strings as given (normalise first), as far as they are :func:`compared`.

    Raises:
        ValueError: the reference holds no word.
    """
    reference, hypothesis = (compared(text, MOST_ALIGNED) for text in (reference, hypothesis))
    if not reference.split():
        raise ValueError("the reference is empty: WER is undefined")
    output = jiwer.process_words(reference, hypothesis)
    return WordErrors(output.hits, output.substitutions, output.deletions, output.insertions)


def wer(reference: str, hypothesis: str) -> float:
    """Word error rate, >= 0. Raises ValueError on an empty reference."""
    return word_errors(reference, hypothesis).wer


def cer(reference: str, hypothesis: str, language: str = "en") -> float:
    """Character error rate, >= 0, of normalised texts, as far as they are :func:`compared`; what a character is:
    :func:`letters`. Raises ValueError on an empty reference."""
    reference, hypothesis = (compared(text, MOST_ALIGNED) for text in (reference, hypothesis))
    if not reference.strip():
        raise ValueError("the reference is empty: CER is undefined")
    if error_unit(language) == "character":
        return wer(reference, hypothesis)
    return float(jiwer.cer(reference, hypothesis))


OF_WORDS = "Word error rate: words misheard, missed or invented, as a share of those said; 0 is all heard right."
WER = Metric(
    "wer", wer, "WER", of="transcripts", over="corpus", meaning=OF_WORDS, better="lower", shows=frozenset({"examples", "list"})
)
CER = Metric("cer", cer, "CER", of="transcripts", over="corpus", better="lower", shows=frozenset())


def letters(text: str, language: str = "en") -> int:
    """How many characters of a normalised text its CER is over: spaces count in languages that set words apart by them."""
    return len(text.split() if error_unit(language) == "character" else text)
