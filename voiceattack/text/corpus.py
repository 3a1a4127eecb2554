"""Texts in: a text itself, a file of lines, or a manifest of JSON lines."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from voiceattack.errors import CorpusError
from voiceattack.files import read_text
from voiceattack.text.edits import words_of
from voiceattack.unicode_text import visible

__all__ = ["TextItem", "read_texts"]


@dataclass(frozen=True)
class TextItem:
    """One text. ``expected`` is the right answer (an action, a label), None when the corpus does not say.

    ``error`` tells why a line cannot be used; such an item costs itself and not the run.
    """

    text: str
    source: str
    expected: str | None = None
    error: str | None = None

    @property
    def sha256(self) -> str:
        """Of the text's UTF-8 bytes."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()


def read_texts(inputs: Iterable[str]) -> Iterator[TextItem]:
    """Every text of ``inputs``: ``.jsonl`` files with ``text`` and, where there, ``action`` or ``label``; other files by line;
    what is no file is a text itself.

    Raises:
        CorpusError: a file is missing or cannot be read, or nothing is there at all.
    """
    found = False
    for name in inputs:
        path = Path(name)
        if (is_file := _is_file(path)) or path.suffix.lower() in (".jsonl", ".txt"):
            if not is_file:
                raise CorpusError(f"{visible(name)}: no such file; check the path")
            items: Iterable[TextItem] = _file(path)
        else:
            items = [_item(name, "argument", None)]
        for item in items:
            found = True
            yield item
    if not found:
        raise CorpusError("no text in the inputs; give texts, a .txt file with one a line, or a .jsonl manifest")


def _is_file(path: Path) -> bool:
    try:
        return path.exists() and not path.is_dir()  # a pipe is no file either, and refused as one
    except (OSError, ValueError):  # a long text is no file name
        return False


def _file(path: Path) -> Iterator[TextItem]:
    try:
        # Not splitlines(): that also breaks at U+2028 and its kin, which a text under attack may hold.
        lines = read_text(path).split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path}: cannot be read as UTF-8 text ({error}); check the file") from error
    for number, line in enumerate(lines, 1):
        line = line.removesuffix("\r")
        where = f"{path}:{number}"
        if not line.strip():
            continue
        if path.suffix.lower() != ".jsonl":
            yield _item(line, where, None)
            continue
        try:
            row = json.loads(line)
            text, expected = row["text"], row.get("action", row.get("label"))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            yield TextItem(
                "", where, None, f"{where}: no JSON object with 'text' ({type(error).__name__}); mend or drop that line"
            )
            continue
        if not isinstance(text, str) or not (expected is None or isinstance(expected, str)):
            yield TextItem("", where, None, f"{where}: 'text', 'action' and 'label' must be strings; mend or drop that line")
        else:
            yield _item(text, where, expected)


def _item(text: str, where: str, expected: str | None) -> TextItem:
    error = None if words_of(text) else f"{where}: holds no word; give a text with at least one"
    return TextItem(text, where, expected, error)
