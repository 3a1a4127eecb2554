"""An evaluated row in brief, as summary.json keeps it: enough to compare two runs example by example without their audio."""

from __future__ import annotations

from typing import Any

from voiceattack.metrics.said import heard, said
from voiceattack.metrics.text import word_errors

__all__ = ["compact"]

Row = dict[str, Any]
KEPT = ("id", "victim", "source_victim", "attack", "objective", "target", "outcome", "success", "snr_db", "hypothesis")


def compact(row: Row) -> Row:
    """``KEPT``, and ``words, errors, clean_errors``: counts of words said and misheard (None without a transcript)."""
    counts: Row = dict.fromkeys(("words", "errors", "clean_errors"))
    if row["outcome"] != "error" and row["wer"] is not None:
        attacked = word_errors(said(row), heard(row))
        clean = word_errors(said(row), heard(row, "clean_hypothesis"))
        counts = {"words": attacked.reference_words, "errors": attacked.errors, "clean_errors": clean.errors}
    return {**{name: row[name] for name in KEPT}, **counts}
