"""Critical terms: the names and numbers that must be heard right, whatever the WER."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from voiceattack.errors import SpecError
from voiceattack.files import read_text
from voiceattack.metrics.intervals import bootstrap_ratio
from voiceattack.metrics.text import normalize

__all__ = ["critical_term_error_rate", "missed_terms", "names_of", "read_terms", "summarize_terms", "term_errors", "term_facts"]


def term_errors(reference: str, hypothesis: str, terms: Iterable[str], language: str = "en") -> tuple[int, int]:
    """How many of the critical terms said are not heard, and how many are said; each as often as it is said.

    Args:
        reference, hypothesis: raw transcripts.
        terms: words or phrases, in any spelling that the normaliser folds ("thirty", "30").
        language: of the normaliser.
    """
    said, missed = missed_terms(reference, hypothesis, terms, language)
    return missed.total(), said.total()


def missed_terms(
    reference: str, hypothesis: str, terms: Iterable[str], language: str = "en"
) -> tuple[Counter[str], Counter[str]]:
    """How often each term is said, and how often one said is not heard, by normalised term; see :func:`term_errors`."""
    said_words, heard_words = (f" {normalize(text, language)} " for text in (reference, hypothesis))
    said: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for term in dict.fromkeys(normalize(term, language) for term in terms):
        count = said_words.count(f" {term} ") if term else 0
        if count:
            said[term] = count
            missed[term] = max(0, count - heard_words.count(f" {term} "))
    return said, +missed


def critical_term_error_rate(reference: str, hypothesis: str, terms: Iterable[str], language: str = "en") -> float:
    """Share of the critical terms said that are not heard, 0 to 1; see :func:`term_errors`.

    Raises:
        ValueError: none of them is said: the rate is undefined.
    """
    missed, said = term_errors(reference, hypothesis, terms, language)
    if not said:
        raise ValueError("none of the critical terms is said: their error rate is undefined")
    return missed / said


def term_facts(reference: str, clean: str, heard: str, terms: Sequence[str], language: str = "en") -> dict[str, Any]:
    """What a line of results.jsonl says of critical terms; empty when there are none to look for.

    Returns:
        ``critical_terms`` (how many are said), ``critical_term_errors`` and ``critical_term_errors_clean`` (not heard in the
        artefact, in the clean clip), ``critical_terms_missed`` (which, in the artefact, each as often).
    """
    if not terms:
        return {}
    said, missed = missed_terms(reference, heard, terms, language)
    return {
        "critical_terms": said.total(),
        "critical_term_errors": missed.total(),
        "critical_term_errors_clean": missed_terms(reference, clean, terms, language)[1].total(),
        "critical_terms_missed": sorted(missed.elements()),
    }


def summarize_terms(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of lines of results.jsonl: how many critical terms are said, and the shares not heard in the artefacts (with its 95%
    interval) and when clean; empty where none is said."""
    told = [row for row in rows if row.get("critical_terms")]
    if not told:
        return {}
    missed, said = ([int(row[key]) for row in told] for key in ("critical_term_errors", "critical_terms"))
    return {
        "critical_terms": sum(said),
        "critical_term_error_rate": sum(missed) / sum(said),
        "critical_term_ci95": bootstrap_ratio(missed, said),
        "critical_term_error_rate_clean": sum(int(row["critical_term_errors_clean"]) for row in told) / sum(said),
    }


def names_of(facts: Mapping[str, Any], key: str) -> list[str]:
    """What a manifest's line says of ``key``: a list, or a text with commas; anything else is none."""
    names = facts.get(key)
    if isinstance(names, str):
        names = names.split(",")
    return [str(name).strip() for name in names if str(name).strip()] if isinstance(names, list) else []


def read_terms(given: str) -> list[str]:
    """Critical terms from an option: a file with one a line (``#`` begins a comment), else terms with commas between.

    Raises:
        SpecError: the file cannot be read, or there is no term in it.
    """
    path = Path(given)
    if path.suffix or path.is_file():
        try:
            lines = read_text(path).split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError(
                f"critical terms {given}: cannot be read ({error}); give a text file, or terms as thirty,kitchen"
            ) from error
        terms = [line.partition("#")[0].strip() for line in lines]
    else:
        terms = [term.strip() for term in given.split(",")]
    found = [term for term in terms if normalize(term)]
    if not found:
        raise SpecError(f"critical terms {given!r}: no term with a letter or digit is in it; give some, as thirty,kitchen")
    return found
