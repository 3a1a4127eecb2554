"""Link each page's first use of a glossary word to ``docs/glossary.md``.

    python scripts/link_glossary.py

The glossary lists the forms of each word in a comment under its heading, and in a second one the phrases in which such a form
means something else (``version control`` is no noise control). Headings, code, links, generated parts and the glossary itself are
left alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["anchors", "first_uses", "linked", "main", "other_senses", "pages", "terms"]

ROOT = Path(__file__).resolve().parent.parent
GLOSSARY = ROOT / "docs" / "glossary.md"
# What is no prose: generated parts, comments, fenced and indented code, headings, pictures, links, addresses, titles in italics.
_GENERATED = r"<!-- (?:begin: )?(?P<part>[\w-]+) -->.*?<!-- end:? (?P=part) -->"
_BLOCKS = r"^```.*?^```|^ {4,}[^\n]*|^#[^\n]*"
_SPANS = r"!?\[[^\]]*\]\([^)]*\)|https?://\S+|(?<![*\w])\*(?![\s*])[^*]+\*(?!\*)"
_CODE = r"`[^`\n]*`"
_FLAGS = re.DOTALL | re.MULTILINE
NO_PROSE = re.compile(f"{_GENERATED}|<!--.*?-->|{_BLOCKS}|{_CODE}|{_SPANS}", _FLAGS)
BUT_CODE = re.compile(f"{_GENERATED}|<!--.*?-->|{_BLOCKS}|{_SPANS}", _FLAGS)  # for words that are written as code


def anchors(text: str) -> list[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)$", prose, flags=re.MULTILINE)
    return [re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles]


def terms() -> dict[str, list[str]]:
    """The forms of each word of the glossary under its anchor, the longest first; words that are only explained have none."""
    text = GLOSSARY.read_text(encoding="utf-8")
    found = re.findall(r"^### (.+)\n\n<!-- forms: (.*?) -->$", text, flags=re.MULTILINE)
    return {anchors(f"### {word}\n")[0]: sorted(forms.split(", "), key=len, reverse=True) for word, forms in found}


def other_senses() -> list[str]:
    """The phrases in which a word of the glossary means something else."""
    found = re.findall(r"^<!-- not in: (.*?) -->$", GLOSSARY.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [phrase for phrases in found for phrase in phrases.split(", ")]


def pages() -> list[Path]:
    """The pages that link to the glossary: the README and all of ``docs/`` but the glossary itself."""
    return [ROOT / "README.md", *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page != GLOSSARY)]


def _only(prose: re.Pattern[str], text: str) -> str:
    """``text`` with what ``prose`` matches blanked out, at its old length."""
    return prose.sub(lambda match: re.sub(r"[^\n]", "\0", match[0]), text)


def _pattern(form: str) -> str:
    """A form as a whole word, over a line's end too, with a capital at a sentence's start."""
    words = r"\s+".join(re.escape(word) for word in form.split())
    if not form[0].isalpha():
        return words
    first = f"[{form[0].upper()}{form[0]}]{words[1:]}" if form[0].islower() else words
    return rf"(?<![\w-]){first}(?![\w-])"


def first_uses(text: str) -> Iterator[tuple[str, int, int]]:
    """Anchor, start and end of the first use of each word of the glossary in a page without links to it."""
    for phrase in other_senses():
        text = _only(re.compile(_pattern(phrase)), text)
    prose, with_code = _only(NO_PROSE, text), _only(BUT_CODE, text)
    for anchor, forms in terms().items():
        uses = [use for form in forms for use in re.finditer(_pattern(form), with_code if form[0] == "`" else prose)]
        if uses:
            first = min(uses, key=lambda use: (use.start(), -use.end()))
            yield anchor, first.start(), first.end()


def linked(page: Path, text: str) -> str:
    """``text`` of ``page`` with the first use of each word linked, and no later one."""
    text = re.sub(r"\[([^\[\]]+)\]\([^)\s]*glossary\.md#[\w-]+\)", r"\1", text)
    to = os.path.relpath(GLOSSARY, page.parent).replace(os.sep, "/")
    for anchor, start, end in sorted(first_uses(text), key=lambda use: -use[1]):
        text = f"{text[:start]}[{text[start:end]}]({to}#{anchor}){text[end:]}"
    return text


def main() -> None:
    """Bring every page up to date; name those that changed."""
    for page in pages():
        old = page.read_text(encoding="utf-8")
        new = linked(page, old)
        if new != old:
            page.write_text(new, encoding="utf-8")
            print(page.relative_to(ROOT))


if __name__ == "__main__":
    main()
