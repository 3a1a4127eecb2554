"""Markdown as a reader's program takes it: CommonMark with GitHub's tables, by markdown-it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from markdown_it import MarkdownIt

__all__ = ["Page", "read"]


@dataclass
class Page:
    """What a page renders to: the text of each cell, row by row, of all else, and what leads out of it or is markup."""

    cells: list[list[str]] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    html: list[str] = field(default_factory=list)


def read(markdown: str) -> Page:
    """Parse ``markdown``; a line of a table whose cells are not as many as its head's fails, though parsers drop the surplus."""
    width = 0
    for line in markdown.split("\n"):
        width = 0 if not line.startswith("|") else width or _cells(line)
        assert not width or _cells(line) == width, line
    page, in_cell = Page(), False
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown):
        if token.type == "tr_open":
            page.cells.append([])
        if token.type in ("th_open", "td_open"):
            in_cell = True
        if token.type in ("th_close", "td_close"):
            in_cell = False
        if token.type == "html_block":
            page.html.append(token.content)
        if token.type != "inline":
            continue
        text = ""
        for child in token.children or []:
            page.html += [child.content] if child.type == "html_inline" else []
            target = child.attrGet("href") or child.attrGet("src")
            page.links += [str(target)] if target is not None else []
            text += "\n" if child.type in ("softbreak", "hardbreak") else child.content
        if in_cell:
            page.cells[-1].append(text)
        else:
            page.prose.append(text)
    return page


def _cells(line: str) -> int:
    return len(re.sub(r"\\\\|\\\|", "", line).split("|")) - 2
