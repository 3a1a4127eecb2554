"""What a running assistant's home did: each clip or sentence with its states before and after; the Markdown section of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from voiceattack.report.console import number
from voiceattack.report.markdown_text import escape, table

__all__ = ["Deed", "deeds", "home_did"]

Row = dict[str, Any]
HEAD = ("example", "what", "SNR dB", "said or typed", "taken for", "answer", "states: before → after", "outcome")


@dataclass(frozen=True)
class Deed:
    """One clip or sentence given to a home.

    Attributes:
        row: its line of results.jsonl.
        made: ``clean``, the attack or perturbation, or ``equal-SNR noise``.
        snr_db: None for what is clean or no sound.
        said, heard, answer: what was said or typed, what it was taken for, and the assistant's answer.
        changes: ``entity: before → after``, one a state changed.
        outcome: None for what is clean.
    """

    row: Row
    made: str
    snr_db: float | None
    said: str
    heard: str
    answer: str
    changes: tuple[str, ...]
    outcome: str | None


def deeds(rows: Sequence[Row]) -> list[Deed]:
    """Of the rows, of audio or of texts, whose victim saw a home; the clean one before each that is no control."""
    found = []
    for row in rows:
        if row.get("evidence") is None:
            continue
        if not row.get("control_for"):
            found.append(Deed(row, "clean", None, *_said(row, "clean_"), None))
        made = row.get("perturbation") or ("equal-SNR noise" if row.get("control_for") else row.get("attack"))
        found.append(Deed(row, str(made), row.get("snr_db"), *_said(row, ""), str(row["outcome"])))
    return found


def home_did(rows: Sequence[Row], link: Callable[[Row, str], str] | None = None) -> str:
    """The Markdown section; empty where no victim saw a home.

    Args:
        rows: of results.jsonl, controls too.
        link: the Markdown of an example's name, given its row and the field that holds the path of its audio.
    """
    lines: list[tuple[str, ...]] = []
    for deed in deeds(rows):
        clean = deed.outcome is None
        name = escape(deed.row["id"]) if link is None else link(deed.row, "clean_audio" if clean else "audio")
        size = "" if clean else number(deed.snr_db, 1)
        told = "; ".join(map(escape, deed.changes)) or "-"
        taken = escape(deed.heard) or "-"
        lines.append((name, escape(deed.made), size, escape(deed.said), taken, escape(deed.answer), told, escape(deed.outcome)))
    if not lines:
        return ""
    text = (
        "Each was judged alone: states were read before it and after it, and what changed was put back. A dash is no change.\n"
        "`⟨U+200B⟩` marks a character that a reader does not see.\n"
    )
    return f"\n## What the home did\n\n{text}\n" + table(HEAD, lines)


def _said(row: Row, which: str) -> tuple[str, str, str, tuple[str, ...]]:
    """Said or typed, taken for, answered, changed; ``which`` is ``clean_`` or nothing."""
    seen = row[f"{which}evidence"] or {}
    typed = "text" in row
    said = row["text"] if typed and which else row["perturbed"] if typed else row["reference"]
    heard = row.get(f"{which}heard") if typed else row[f"{which}hypothesis"]
    changes = tuple(f"{line['entity']}: {line['before']} → {line['after']}" for line in seen.get("changes", []))
    return said or "", heard or "", seen.get("answer") or "", changes
