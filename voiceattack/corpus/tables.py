"""Manifests as rows: JSON lines (packed too), tables, lines of words. One bad line costs itself alone."""

from __future__ import annotations

import csv
import gzip
import io
import json
import logging
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal

from voiceattack.corpus.base import kind_of
from voiceattack.errors import CorpusError
from voiceattack.files import one_line, open_regular

__all__ = ["TEXT_KEYS", "TextColumn", "json_lines", "table_rows", "word_lines"]

TEXT_KEYS = ("text", "transcription", "sentence", "transcript", "raw_transcription", "normalized_text")
"""Columns that hold the words, the first found counts."""

LIKE_TEXT = ("text", "transcri", "sentence", "word", "utterance", "caption", "said", "script", "label")
"""What a column's name holds that may be meant so; such a one is named, and not taken."""

MAX_LINE = 1 << 24
"""Bytes; a longer line is no line of a manifest."""

Row = dict[str, Any] | CorpusError
log = logging.getLogger(__name__)


class TextColumn:
    """Which column of one manifest holds the words; the user is told once when none is known by name but one looks so."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._told = False

    def of(self, row: Mapping[str, Any]) -> str:
        """The key of the words in ``row``; ``text`` when there is none."""
        for key in TEXT_KEYS:
            if key in row:
                return key
        like = [str(key) for key in row if any(part in str(key).lower() for part in LIKE_TEXT)]
        if like and not self._told:
            self._told = True
            log.warning(
                "%s: no column of words is known by its name (%s); if %s holds what is said, call it text",
                self.path,
                ", ".join(TEXT_KEYS),
                " or ".join(map(repr, like[:5])),
            )
        return "text"


def json_lines(path: Path) -> Iterator[tuple[str, Row]]:
    """The objects of a JSON-lines file, lazily: (``"file:line"``, the object, or what is wrong with that line).

    A name in ``.gz`` is unpacked. Blank lines are skipped. A file that cannot be opened gives one error, one that is damaged
    an error where the damage begins.
    """
    for where, line in _lines(path):
        yield where, line if isinstance(line, CorpusError) else _object(line)


def word_lines(path: Path) -> Iterator[tuple[str, str, str, CorpusError | None]]:
    """Lines that begin with a key: (``"file:line"``, the first word, the rest, what is wrong with that line)."""
    for where, line in _lines(path):
        if isinstance(line, CorpusError):
            yield where, "", "", line
            continue
        try:
            words = line.decode("utf-8").split(maxsplit=1)
        except UnicodeDecodeError:
            name = line.split(maxsplit=1)[0].decode("utf-8", "backslashreplace")
            yield where, name, "", CorpusError("not UTF-8 text; save the file as UTF-8")
            continue
        if words:  # other blanks than ASCII's
            yield where, words[0], words[1].strip() if len(words) > 1 else "", None


def table_rows(path: Path, delimiter: str = ",", *, quoted: bool = True) -> Iterator[tuple[str, Row]]:
    """The rows of a table with a head, as :func:`json_lines` gives objects.

    Args:
        path: the table, UTF-8.
        delimiter: between the columns.
        quoted: whether ``"`` encloses values; else it is a character like others.
    """
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    try:
        with io.TextIOWrapper(open_regular(path), encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter, quoting=quoting)
            while True:
                try:
                    row = next(reader, None)
                except csv.Error as error:
                    yield f"{path}:{max(1, reader.line_num)}", CorpusError(f"broken here ({error}); correct that row")
                    continue
                if row is None:
                    return
                yield f"{path}:{reader.line_num}", _row(row)
    except (OSError, ValueError) as error:
        yield str(path), CorpusError(f"cannot be read ({one_line(error)}); check its permissions")


def _row(row: dict[Any, Any]) -> Row:
    if None in row:
        return CorpusError('more values than columns; put text that holds a comma in "quotes"')
    if any("\udc80" <= character <= "\udcff" for cell in (*row, *row.values()) if cell for character in cell):
        return CorpusError("not UTF-8 text; save the table as UTF-8")
    return row


def _lines(path: Path) -> Iterator[tuple[str, bytes | CorpusError]]:
    """The lines of a file that are not blank, without a byte order mark."""
    number = 0
    try:
        with open_regular(path) as stored, _unpacked(path, stored) as file:
            for number, line in enumerate(_each(file), 1):
                where = f"{path}:{number}"
                if len(line) > MAX_LINE:
                    yield where, CorpusError(f"longer than {MAX_LINE >> 20} MiB; this is no line of a manifest")
                    continue
                line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if line.strip():
                    yield where, line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        yield f"{path}:{number + 1}", CorpusError(f"packed data is broken from here on ({one_line(error)}); write it again")
    except (OSError, ValueError) as error:
        yield str(path), CorpusError(f"cannot be read ({one_line(error)}); check its permissions")


def _unpacked(path: Path, stored: BinaryIO) -> gzip.GzipFile | BinaryIO:
    return gzip.GzipFile(fileobj=stored) if path.suffix.lower() == ".gz" else stored


def _each(file: gzip.GzipFile | BinaryIO) -> Iterable[bytes]:
    """Lines; of one that is too long the beginning alone."""
    while line := file.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            while (rest := file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                pass
        yield line


def _object(line: bytes) -> Row:
    try:
        value = json.loads(line.decode("utf-8"))
        if b"\\ud" in line.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return CorpusError("holds half of a surrogate pair (\\ud800 to \\udfff); write the character itself")
    except UnicodeDecodeError:
        return CorpusError("not UTF-8 text; save the manifest as UTF-8")
    except (ValueError, RecursionError) as error:
        reason = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else type(error).__name__
        return CorpusError(f"broken JSON ({reason}); write one JSON object a line")
    return value if isinstance(value, dict) else CorpusError(f"holds {kind_of(value)}; write one JSON object a line")
