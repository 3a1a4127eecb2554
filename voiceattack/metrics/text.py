"""Error rates of transcripts, by jiwer, after the Whisper normaliser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import jiwer

__all__ = ["NORMALIZER", "WordErrors", "cer", "corpus_wer", "normalize", "wer", "word_errors"]


def _normalizer_name() -> str:
    try:
        return f"whisper-normalizer {version('whisper-normalizer')} (English)"
    except PackageNotFoundError:
        return "whisper-normalizer (English)"


NORMALIZER = _normalizer_name()
"""Name and version of the normaliser, for run.json."""


@lru_cache(maxsize=4)
def _normalizer(language: str) -> Any:
    if language == "en":
        from whisper_normalizer.english import EnglishTextNormalizer

        return EnglishTextNormalizer()
    from whisper_normalizer.basic import BasicTextNormalizer

    return BasicTextNormalizer()


def normalize(text: str, language: str = "en") -> str:
    """Case, punctuation, numbers and spelling folded as Whisper's authors do (Radford et al. 2022, appendix C).

    Args:
        text: a raw transcript.
        language: two-letter code; other languages than English get the basic normaliser.
    """
    folded = str(_normalizer(language)(text)).strip()
    # The normaliser leaves the odd full stop of "..." behind; punctuation alone is nothing heard.
    return folded if any(character.isalnum() for character in folded) else ""


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
    """Word errors of strings as given (normalise first).

    Raises:
        ValueError: the reference holds no word.
    """
    if not reference.split():
        raise ValueError("the reference is empty: WER is undefined")
    output = jiwer.process_words(reference, hypothesis)
    return WordErrors(output.hits, output.substitutions, output.deletions, output.insertions)


def wer(reference: str, hypothesis: str) -> float:
    """Word error rate, >= 0. Raises ValueError on an empty reference."""
    return word_errors(reference, hypothesis).wer


def cer(reference: str, hypothesis: str) -> float:
    """Character error rate, >= 0. Raises ValueError on an empty reference."""
    if not reference.strip():
        raise ValueError("the reference is empty: CER is undefined")
    return float(jiwer.cer(reference, hypothesis))


def corpus_wer(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """All errors over all reference words, >= 0.

    Raises:
        ValueError: unequal or empty lists, or an empty reference.
    """
    if len(references) != len(hypotheses) or not references:
        raise ValueError(
            f"corpus WER needs equally many references and hypotheses, at least one; got {len(references)} and {len(hypotheses)}"
        )
    counts = [word_errors(reference, hypothesis) for reference, hypothesis in zip(references, hypotheses, strict=True)]
    return sum(count.errors for count in counts) / sum(count.reference_words for count in counts)
