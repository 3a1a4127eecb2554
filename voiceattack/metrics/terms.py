"""Critical terms: the names and numbers that must be heard right, whatever the WER."""

from __future__ import annotations

from collections.abc import Iterable

from voiceattack.metrics.text import normalize

__all__ = ["term_errors"]


def term_errors(reference: str, hypothesis: str, terms: Iterable[str], language: str = "en") -> tuple[int, int]:
    """How many of the critical terms said are not heard, and how many are said; each as often as it is said.

    Args:
        reference, hypothesis: raw transcripts.
        terms: words or phrases, in any spelling that the normaliser folds ("thirty", "30").
        language: of the normaliser.
    """
    said_words, heard_words = (f" {normalize(text, language)} " for text in (reference, hypothesis))
    missed = said = 0
    for term in dict.fromkeys(normalize(term, language) for term in terms):
        if term:
            count = said_words.count(f" {term} ")
            said += count
            missed += max(0, count - heard_words.count(f" {term} "))
    return missed, said
