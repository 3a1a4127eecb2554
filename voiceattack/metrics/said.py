"""The words of a row of results, normalised as the language of its victim asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from voiceattack.languages import error_unit
from voiceattack.metrics.text import letters, normalize

__all__ = ["heard", "language_of", "letters_said", "said", "unit_notes"]


def language_of(row: Mapping[str, Any]) -> str:
    """The language of the victim of ``row``; rows without one, of earlier versions, are English."""
    return str(row.get("language") or "en")


def said(row: Mapping[str, Any], key: str = "reference") -> str:
    """``row[key]``, a raw text or None, as it is compared with the row's normalised transcripts."""
    return normalize(row[key] or "", language_of(row))


def heard(row: Mapping[str, Any], key: str = "hypothesis") -> str:
    """What was heard, ``hypothesis`` or ``clean_hypothesis``, normalised as :func:`said` is: by this version, so that rows of
    an earlier one, whose ``hypothesis_normalized`` may differ, are compared like with like."""
    return str(row[f"{key}_normalized"] or "") if row.get(key) is None else said(row, key)


def letters_said(row: Mapping[str, Any]) -> int:
    """How many characters of the reference the row's CER is over."""
    return letters(said(row), language_of(row))


def unit_notes(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """A line for each victim whose errors are counted in characters: what its WER is."""
    pairs = dict.fromkeys((str(row["victim"]), language_of(row)) for row in rows)
    return [
        f"{victim} hears {language}, which sets no words apart: its error rates, WER and --wer-threshold, count characters (CER)"
        for victim, language in pairs
        if error_unit(language) == "character"
    ]
