"""Critical terms: the names and numbers that must be heard right, whatever the WER."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from voiceattack.errors import SpecError
from voiceattack.files import read_text
from voiceattack.metrics.error_rate import ErrorRate
from voiceattack.metrics.metric import Metric
from voiceattack.metrics.text import normalize, tokens_as_said

__all__ = [
    "CRITICAL_TERM_ERROR_RATE",
    "critical_term_error_rate",
    "missed_terms",
    "names_of",
    "read_terms",
    "summarize_terms",
    "term_errors",
    "term_facts",
    "unsaid_notes",
]

MOST_NAMED = 8


def term_errors(reference: str, hypothesis: str, terms: Iterable[str], language: str = "en") -> tuple[int, int]:
    """How many of the critical terms said are not heard, and how many are said; each as often as it is said.

    Args:
        reference, hypothesis: raw transcripts.
        terms: words or phrases, in any spelling that the normaliser folds ("thirty", "30"); matched word by word.
        language: of the normaliser.
    """
    said, missed = missed_terms(reference, hypothesis, terms, language)
    return missed.total(), said.total()


def missed_terms(
    reference: str, hypothesis: str, terms: Iterable[str], language: str = "en"
) -> tuple[Counter[str], Counter[str]]:
    """How often each term is said, and how often one said is not heard, by the term's words; see :func:`term_errors`."""
    said: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for name, forms in _forms(terms, language).items():
        if count := _count(reference, forms, language):
            said[name] = count
            missed[name] = max(0, count - _count(hypothesis, forms, language))
    return said, +missed


def unsaid_notes(
    said: Iterable[tuple[str, str | None, str]], terms: Iterable[str], own: Mapping[str, Sequence[str]] | None = None
) -> list[str]:
    """A note on the terms that are said in no reference, and so counted nowhere; none when all are said.

    Args:
        said: id, reference and language of what was heard.
        terms: to look for in every reference.
        own: by id, terms to look for in the references of that id alone.
    """
    texts: dict[str, set[tuple[str, str]]] = {}
    for id, reference, language in said:
        if reference:
            texts.setdefault(id, set()).add((reference, language))
    if not texts:
        return []
    whole = set().union(*texts.values())
    unsaid = [term for term in dict.fromkeys(terms) if not _said(term, whole)]
    unsaid += [term for name, some in (own or {}).items() for term in some if name in texts and not _said(term, texts[name])]
    if not (unsaid := list(dict.fromkeys(unsaid))):
        return []
    named = ", ".join(repr(term) for term in unsaid[:MOST_NAMED]) + (", ..." if len(unsaid) > MOST_NAMED else "")
    return [f"critical terms that no reference says, so that nothing is counted for them: {named}; check their spelling"]


def _said(term: str, texts: Iterable[tuple[str, str]]) -> bool:
    return any(missed_terms(text, "", [term], language)[1] for text, language in texts)


@lru_cache(maxsize=4096)
def _views(text: str, language: str) -> tuple[tuple[str, ...], ...]:
    """The words of a text as they were said and with numbers folded: each alone loses some, as in "seven o'clock" (70 clock)
    and "30%" (thirty percent)."""
    return tuple(dict.fromkeys((tuple(tokens_as_said(text, language)), tuple(normalize(text, language).split()))))


def _forms(terms: Iterable[str], language: str) -> dict[str, tuple[tuple[str, ...], ...]]:
    """By name, the words that stand for each term; two spellings of one term count once."""
    found: dict[str, tuple[tuple[str, ...], ...]] = {}
    folded: set[tuple[str, ...]] = set()
    for term in terms:
        as_said, *rest = _views(term, language)
        whole = (rest or [as_said])[0]
        if as_said and whole and whole not in folded:
            folded.add(whole)
            # "seven thirty" may be written 7:30: each word folded alone.
            alone = tuple(normalize(word, language) for word in as_said)
            found[" ".join(as_said)] = tuple(form for form in dict.fromkeys((as_said, whole, alone)) if all(form))
    return found


def _count(text: str, forms: Sequence[tuple[str, ...]], language: str) -> int:
    """How often one of ``forms`` is in ``text``, by words, none counted in two; the view of the text that holds most of them."""
    return max(_occurrences(words, forms) for words in _views(text, language))


def _occurrences(words: tuple[str, ...], forms: Sequence[tuple[str, ...]]) -> int:
    count = place = 0
    while place < len(words):
        size = max((len(form) for form in forms if words[place : place + len(form)] == form), default=0)
        count += size > 0
        place += max(1, size)
    return count


def critical_term_error_rate(reference: str, hypothesis: str, terms: Iterable[str], language: str = "en") -> float:
    """Share of the critical terms said that are not heard, 0 to 1; see :func:`term_errors`.

    Raises:
        ValueError: none of them is said: the rate is undefined.
    """
    missed, said = term_errors(reference, hypothesis, terms, language)
    if not said:
        raise ValueError("none of the critical terms is said: their error rate is undefined")
    return missed / said


CRITICAL_TERM_ERROR_RATE = Metric(
    "critical_term_error_rate",
    critical_term_error_rate,
    "critical term error rate",
    of="terms",
    over="corpus",
    better="lower",
    shows=frozenset(),
)


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


class TermCounts(Protocol):
    """What :func:`term_facts` found, as a line of results.jsonl has it; None where there was nothing to look for."""

    @property
    def critical_terms(self) -> int | None: ...

    @property
    def critical_term_errors(self) -> int | None: ...

    @property
    def critical_term_errors_clean(self) -> int | None: ...


def summarize_terms(rows: Iterable[TermCounts]) -> dict[str, Any]:
    """Of lines of results.jsonl: how many critical terms are said, and the shares not heard in the artefacts (with its 95%
    interval) and when clean; empty where none is said."""
    missed, missed_clean = ErrorRate(), ErrorRate()
    for row in rows:
        if row.critical_terms:
            missed.add(row.critical_term_errors or 0, row.critical_terms)
            missed_clean.add(row.critical_term_errors_clean or 0, row.critical_terms)
    if not missed.lengths:
        return {}
    return {
        "critical_terms": sum(missed.lengths),
        "critical_term_error_rate": missed.compute(),
        "critical_term_ci95": missed.interval(),
        "critical_term_error_rate_clean": missed_clean.compute(),
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
    if path.suffix or os.path.isfile(given):
        try:
            lines = read_text(path).split("\n")
        except (OSError, ValueError) as error:
            raise SpecError(
                f"critical terms {given}: cannot be read ({error}); give a text file, or terms as thirty,kitchen"
            ) from error
        terms = [line.partition("#")[0].strip() for line in lines]
    else:
        terms = [term.strip() for term in given.split(",")]
    found = [term for term in terms if any(character.isalnum() for character in term)]
    if not found:
        raise SpecError(f"critical terms {given!r}: no term with a letter or digit is in it; give some, as thirty,kitchen")
    return found
