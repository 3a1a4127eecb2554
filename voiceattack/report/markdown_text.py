"""Text and tables that stay what they are in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from voiceattack.unicode_text import visible

__all__ = ["code", "escape", "table"]


def escape(text: str | None) -> str:
    """A transcript as plain Markdown text on one line: nothing in it can end a table cell, start a link, become HTML or hide."""
    flat = " ".join(visible(text or "").split())
    flat = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]()#|!~$])", r"\\\1", flat)


def code(text: str) -> str:
    """A spec or a file's name as a code span that nothing in it can end, nor the table cell around it."""
    flat = " ".join(visible(text).split()).replace("`", "'").replace("|", r"\|")
    return f"`{flat}`"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown already."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"
