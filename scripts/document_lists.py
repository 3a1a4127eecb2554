"""Bring the tables of all that is registered up to date: victims, attacks, corruptions, metrics, perturbations, formats.

    python scripts/document_lists.py

Each table stands between markers that name its kind, in a page of ``docs/reference/``; the kinds are those of
``voiceattack list``.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

from docs_pages import DOCS, with_part

from voiceattack.cli.list_ import REGISTRIES
from voiceattack.registry import PLUG_IN, Entry

__all__ = ["PAGES", "main", "table"]

# Which page has which tables; a kind that is listed and on no page fails a test.
PAGES = {
    "victims": ("victims",),
    "attacks": ("attacks",),
    "names": tuple(kind.value for kind in REGISTRIES if kind.value not in ("victims", "attacks")),
}
NEEDS = (("differentiates", "gradients"), ("scores", "scores"), ("hears", "transcripts"))


def _rows(kind: str) -> tuple[list[str], list[list[str]]]:
    module, attribute = REGISTRIES[next(known for known in REGISTRIES if known.value == kind)]
    registry: Any = getattr(importlib.import_module(module), attribute)
    # What happens to be installed here beside the package is no part of its documentation.
    entries: list[Entry] = [entry for entry in (*registry.entries(), *registry.families()) if entry.outside is not PLUG_IN]
    if kind == "attacks":
        return ["attack", "what it does", "needs"], [
            [_page(entry.name), entry.summary, _needs(registry, entry)] for entry in entries
        ]
    if kind == "victims":
        rows = [[*_spec(entry), _extra(entry), entry.outside.does if entry.outside else ""] for entry in entries]
        return ["spec", "what it is", "extra", "beyond this process, it"], rows
    rows = [[f"`{entry.name}`", entry.summary, _extra(entry)] for entry in entries]
    return [kind.removesuffix("s") if kind != "searches" else "search", "what it is", "extra"], rows


def _spec(entry: Entry) -> tuple[str, str]:
    """How a victim is named, and what it is: its summary begins with the spec where that is more than the name."""
    spec, _, rest = entry.summary.partition(", ")
    if not spec.startswith(f"{entry.name}:"):
        return f"`{entry.name}`", entry.summary
    ways = re.split(rf" or (?={re.escape(entry.name)}:)", spec)
    return " or ".join(f"`{way}`" for way in ways), rest


def _extra(entry: Entry) -> str:
    return f"`{entry.requires}`" if entry.requires else ""


def _page(name: str) -> str:
    """The name of an attack, as a link where it has a page."""
    scheme = name.partition(":")[0]
    to = "names.md#corruptions" if scheme != name else f"attacks/{name}.md"
    return f"[`{name}`]({to})" if scheme != name or (DOCS / "reference" / to).exists() else f"`{name}`"


def _needs(registry: Any, entry: Entry) -> str:
    """What an attack needs of a victim, in words."""
    if entry in registry.families():
        return "transcripts"
    needs = registry.get(entry.name).needs
    return next((words for need, words in NEEDS if need in needs), ", ".join(sorted(needs)))


def table(kind: str) -> str:
    """The table of all that is registered of a kind, as Markdown."""
    head, rows = _rows(kind)
    if not any(row[-1] for row in rows):
        head, rows = head[:-1], [row[:-1] for row in rows]
    lines = [
        "| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *([_cell(text) for text in row] for row in rows))
    ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Text of a registration as a table's cell: what would be the end of a column, or outside code an HTML tag, is escaped."""
    return "`".join(part if n % 2 else part.replace("<", "&lt;") for n, part in enumerate(text.replace("|", "\\|").split("`")))


def main() -> None:
    """Write all tables."""
    for name, kinds in PAGES.items():
        page = DOCS / "reference" / f"{name}.md"
        text = page.read_text(encoding="utf-8")
        for kind in kinds:
            text = with_part(text, kind, table(kind))
        page.write_text(text, encoding="utf-8")
        print(page)


if __name__ == "__main__":
    main()
