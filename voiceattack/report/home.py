"""The Markdown section on what a running assistant's home did: a line for each clip or sentence, its states before and after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from voiceattack.report.console import number
from voiceattack.report.markdown_text import escape, table

__all__ = ["home_did"]

Row = dict[str, Any]
HEAD = ("example", "what", "SNR dB", "said or typed", "taken for", "answer", "states: before → after", "outcome")


def home_did(rows: Sequence[Row], link: Callable[[Row, str], str] | None = None) -> str:
    """Section of the rows, of audio or of texts, whose victim saw a home; empty without any.

    Args:
        rows: of results.jsonl, controls too.
        link: the Markdown of an example's name, given its row and the field that holds the path of its audio.
    """
    lines: list[tuple[str, ...]] = []
    for row in rows:
        if row.get("evidence") is None:
            continue
        name = escape(row["id"]) if link is None else link(row, "audio")
        made = row.get("perturbation") or ("equal-SNR noise" if row.get("control_for") else row.get("attack"))
        if not row.get("control_for"):
            clean = escape(row["id"]) if link is None else link(row, "clean_audio")
            lines.append((clean, "clean", "", *_said(row, "clean_"), ""))
        lines.append((name, escape(made), number(row.get("snr_db"), 1), *_said(row, ""), str(row["outcome"])))
    if not lines:
        return ""
    text = (
        "Each was judged alone: states were read before it and after it, and what changed was put back. A dash is no change.\n"
        "`⟨U+200B⟩` marks a character that a reader does not see.\n"
    )
    return f"\n## What the home did\n\n{text}\n" + table(HEAD, lines)


def _said(row: Row, which: str) -> tuple[str, str, str, str]:
    """Said or typed, taken for, answered, changed; ``which`` is ``clean_`` or nothing."""
    seen = row[f"{which}evidence"]
    typed = "text" in row
    said = row["text"] if typed and which else row["perturbed"] if typed else row["reference"]
    heard = row.get(f"{which}heard") if typed else row[f"{which}hypothesis"]
    told = [f"{line['entity']}: {line['before']} → {line['after']}" for line in seen.get("changes", [])]
    return escape(said), escape(heard) or "-", escape(seen.get("answer")), "; ".join(map(escape_entity, told)) or "-"


def escape_entity(text: str) -> str:
    """As :func:`escape`, but underscores inside words stay readable: Markdown leaves them alone there."""
    return escape(text).replace("\\_", "_")
