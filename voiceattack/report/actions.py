"""The Markdown section on what an assistant did: a line an example, and where words and action part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from voiceattack.report.markdown_text import escape, table

__all__ = ["actions"]


def actions(rows: Sequence[dict[str, Any]]) -> str:
    """Section ``Actions`` of the rows whose victim acts, controls left out; empty without any."""
    acted = [row for row in rows if row.get("action") is not None and row["control_for"] is None]
    if not acted:
        return ""
    cells = []
    for row in acted:
        words = row["hypothesis_normalized"] != row["clean_hypothesis_normalized"]
        action = row["action"] != row["clean_action"]
        parted = (
            "words changed, action not" if words and not action else "action changed, words not" if action and not words else ""
        )
        texts = (row["reference"], row["clean_action"], row["hypothesis"], row["action"], row["outcome"], parted)
        cells.append((escape(row["id"]), f"`{row['victim']}`", *(escape(text) for text in texts)))
    head = ("example", "heard by", "said", "action when clean", "heard", "action", "outcome", "where words and action part")
    return "\n## Actions\n\nA dash is no action: nothing was understood.\n\n" + table(head, cells)
