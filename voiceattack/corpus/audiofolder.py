"""Hugging Face audiofolder: ``metadata.csv`` or ``metadata.jsonl`` with ``file_name`` and the words beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from voiceattack.corpus.base import BadItem, Item, utterance
from voiceattack.corpus.tables import TextColumn, json_lines, table_rows
from voiceattack.errors import CorpusError

__all__ = ["READER", "AudioFolderReader"]


class AudioFolderReader:
    """Reads the metadata file; paths in it are relative to its folder."""

    folder_names = frozenset({"metadata.csv", "metadata.jsonl"})

    def accepts(self, path: Path) -> bool:
        """See :class:`~voiceattack.corpus.base.Reader`."""
        return path.name in self.folder_names

    def read(self, path: Path) -> Iterator[Item]:
        """One item a row; a bad row is a BadItem that names it."""
        words = TextColumn(path)
        for where, row in table_rows(path) if path.suffix == ".csv" else json_lines(path):
            try:
                if isinstance(row, CorpusError):
                    raise row
                if "file_name" not in row:
                    raise CorpusError(f"no column 'file_name' (found: {', '.join(sorted(row)) or 'nothing'}); add it")
                text_key = words.of(row)
                rest = {key: value for key, value in row.items() if key not in ("file_name", text_key)}
                yield utterance(path, row["file_name"], row.get(text_key), rest)
            except CorpusError as error:
                yield BadItem(where, str(error))


READER = AudioFolderReader()
