"""Text that stays what it is in Markdown (CommonMark and GitHub's tables): the only place that escapes for it.

What others wrote (names, transcripts, specs, paths, errors) goes through :func:`escape` or :func:`code`, a link through
:func:`link`, rows through :func:`table`; nothing else puts text into a Markdown file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from voiceattack.unicode_text import visible

__all__ = ["code", "escape", "link", "table"]

_SPECIAL = re.compile(r"[\\`*{}\[\]()#|!~$@]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.|^[-+=](?=[-+=\s]|$)", re.IGNORECASE)
"""Punctuation that can begin markup (an underscore inside a word does not), links that GitHub makes of bare addresses, and what
begins a list or a rule."""
_NUMBERED = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")
_BARE_PIPE = re.compile(r"(?<!\\)\|")


def escape(text: object) -> str:
    """Anything as plain Markdown text on one line, None as nothing: it cannot end a table cell, start a link, become HTML or
    hide."""
    flat = " ".join(visible("" if text is None else str(text)).split())
    flat = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _NUMBERED.sub(r"\1\\\2", _SPECIAL.sub(r"\\\g<0>", flat))


def code(text: object) -> str:
    """A spec, a command or a file's name as a code span that nothing in it can end; :func:`table` keeps it in its cell."""
    flat = " ".join(visible("" if text is None else str(text)).split())
    if not flat or r"\|" in flat:
        return escape(flat)  # there is no empty code span, and in a table none that holds a backslash before a bar
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", flat)), default=0))
    pad = " " if "`" in (flat[0], flat[-1]) else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def link(text: object, target: str, *, image: bool = False) -> str:
    """A link to a file beside the page, or with ``#`` to a heading in it; a scheme or a host in ``target`` means nothing."""
    anchor = "#" if target.startswith("#") else ""
    return f"{'!' if image else ''}[{escape(text)}]({anchor}{quote(target.removeprefix('#')).lstrip('/')})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown already, of one line."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(_BARE_PIPE.sub(r"\|", cell) for cell in cells) + " |"

    return "\n".join([line(head), "|" + " --- |" * len(head), *(line(row) for row in rows)]) + "\n"
