"""Hugging Face audiofolder: ``metadata.csv`` or ``metadata.jsonl`` with ``file_name`` and the words beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from voiceattack.corpus.base import BadItem, Item, json_lines, utterance
from voiceattack.errors import CorpusError
from voiceattack.files import open_regular

__all__ = ["READER", "AudioFolderReader"]

TEXT_KEYS = ("text", "transcription", "sentence")
"""Columns that hold the words, the first found counts."""


class AudioFolderReader:
    """Reads the metadata file; paths in it are relative to its folder."""

    folder_names = frozenset({"metadata.csv", "metadata.jsonl"})

    def accepts(self, path: Path) -> bool:
        """See :class:`~voiceattack.corpus.base.Reader`."""
        return path.name in self.folder_names

    def read(self, path: Path) -> Iterator[Item]:
        """One item a row; a bad row is a BadItem that names it."""
        for where, row in _csv_rows(path) if path.suffix == ".csv" else json_lines(path):
            try:
                if isinstance(row, CorpusError):
                    raise row
                if "file_name" not in row:
                    raise CorpusError(f"no column 'file_name' (found: {', '.join(sorted(row)) or 'nothing'}); add it")
                text_key = next((key for key in TEXT_KEYS if key in row), "text")
                rest = {key: value for key, value in row.items() if key not in ("file_name", text_key)}
                yield utterance(path, row["file_name"], row.get(text_key), rest)
            except CorpusError as error:
                yield BadItem(where, str(error))


def _csv_rows(path: Path) -> Iterator[tuple[str, dict[str, Any] | CorpusError]]:
    """As :func:`~voiceattack.corpus.base.json_lines`; what comes after an undecodable place is lost, and said to be."""
    line = 0
    try:
        with io.TextIOWrapper(open_regular(path), encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            for row in reader:
                line = reader.line_num
                if None in row:
                    yield f"{path}:{line}", CorpusError('more values than columns; put text that holds a comma in "quotes"')
                else:
                    yield f"{path}:{line}", row
    except UnicodeDecodeError:
        yield f"{path}:{line + 1}", CorpusError("not UTF-8 text from about here on; save the table as UTF-8")
    except csv.Error as error:
        yield f"{path}:{line + 1}", CorpusError(f"broken CSV from here on ({error}); correct it")
    except OSError as error:
        yield str(path), CorpusError(f"cannot be read ({error.strerror}); check its permissions")


READER = AudioFolderReader()
