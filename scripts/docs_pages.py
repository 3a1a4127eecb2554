"""What there is to read: the navigation of the site, and the list of pages in ``docs/index.md``.

    python scripts/docs_pages.py

Both follow from the folders of ``docs/`` and the pages' titles. MkDocs calls :func:`on_config` when it builds;
the list is written by the command.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

__all__ = ["DOCS", "ROOMS", "index", "main", "navigation", "on_config", "title", "with_part"]

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
ROOMS = {
    "tutorial": ("Tutorial", "to learn it, step by step"),
    "how-to": ("How to", "to get one thing done"),
    "reference": ("Reference", "to look it up"),
    "explanation": ("Explanation", "to understand it"),
}


def with_part(page: str, name: str, body: str) -> str:
    """``page`` with what stands between the markers of ``name`` set to ``body``."""
    found = re.sub(rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)", lambda m: m[1] + body + m[2], page, count=1, flags=re.DOTALL)
    if f"<!-- end {name} -->" not in found:
        raise SystemExit(f"the page has no <!-- {name} --> ... <!-- end {name} -->")
    return found


def title(page: Path) -> str:
    """The heading at the top of a page."""
    return page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _sorted(folder: Path) -> list[Path]:
    """The pages of a folder by title, articles aside."""
    return sorted(folder.glob("*.md"), key=lambda page: re.sub(r"^(a|an|the) ", "", title(page).lower()))


def _entries(folder: Path) -> list[Any]:
    """The pages of a folder by title, those of a folder in it under the title of the page of the same name."""
    entries: list[Any] = []
    for page in _sorted(folder):
        name = page.relative_to(DOCS).as_posix()
        below = _entries(page.with_suffix("")) if page.with_suffix("").is_dir() else []
        entries.append({title(page): [{"all": name}, *below]} if below else {title(page): name})
    return entries


def navigation() -> list[Any]:
    """The site's navigation in MkDocs' form: the pages at the top, then a section a room."""
    rooms = [{name: _entries(DOCS / folder)} for folder, (name, _) in ROOMS.items()]
    return [{"Start": "index.md"}, {"Glossary": "glossary.md"}, *rooms]


def on_config(config: Any) -> Any:
    """MkDocs' hook: the navigation as the folders have it."""
    config["nav"] = navigation()
    return config


def index() -> str:
    """The pages of each room as Markdown lists, without those of folders in it."""
    parts = []
    for folder, (name, purpose) in ROOMS.items():
        lines = [f"* [{title(page)}]({page.relative_to(DOCS).as_posix()})" for page in _sorted(DOCS / folder)]
        parts.append(f"**{name}**, {purpose}:\n\n" + "\n".join(lines) + "\n")
    return "\n" + "\n".join(parts) + "\n"


def main() -> None:
    """Write the list of pages."""
    page = DOCS / "index.md"
    page.write_text(with_part(page.read_text(encoding="utf-8"), "pages", index()), encoding="utf-8")


if __name__ == "__main__":
    main()
