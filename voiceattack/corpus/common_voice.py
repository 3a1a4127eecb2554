"""Common Voice: a ``.tsv`` with ``path`` and ``sentence``, its clips in ``clips/`` beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from voiceattack.corpus.base import BadItem, Item, utterance
from voiceattack.corpus.tables import TextColumn, table_rows
from voiceattack.errors import CorpusError

__all__ = ["READER", "CommonVoiceReader"]


class CommonVoiceReader:
    """Reads any ``.tsv`` of that form; in a folder those whose sentences were found right, and their splits."""

    folder_names = frozenset({"validated.tsv", "train.tsv", "dev.tsv", "test.tsv"})

    def accepts(self, path: Path) -> bool:
        """See :class:`~voiceattack.corpus.base.Reader`."""
        return path.suffix.lower() == ".tsv"

    def read(self, path: Path) -> Iterator[Item]:
        """One item a row; a bad row is a BadItem that names it."""
        words = TextColumn(path)
        for where, row in table_rows(path, "\t", quoted=False):
            try:
                if isinstance(row, CorpusError):
                    raise row
                if "path" not in row:
                    found = ", ".join(sorted(row))[:200] or "nothing"
                    yield BadItem(str(path), f"no Common Voice table: no column 'path' (found: {found}); add it")
                    return
                text_key = words.of(row)
                rest = {key: value for key, value in row.items() if key not in ("path", text_key)}
                yield utterance(path, _below_clips(path, row["path"]), row.get(text_key), rest)
            except CorpusError as error:
                yield BadItem(where, str(error))


def _below_clips(path: Path, clip: Any) -> Any:
    """A bare name lies in ``clips/``."""
    return f"clips/{clip}" if isinstance(clip, str) and clip and "/" not in clip and (path.parent / "clips").is_dir() else clip


READER = CommonVoiceReader()
