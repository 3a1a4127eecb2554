"""Parquet with the sounds inside, as Hugging Face datasets keep them: a column of ``{bytes, path}``, and one of the words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from voiceattack.corpus.base import BadItem, Item, Utterance
from voiceattack.corpus.tables import TextColumn
from voiceattack.errors import AudioError, CorpusError, MissingExtraError
from voiceattack.extras import optional_import
from voiceattack.files import one_line, open_regular

__all__ = ["READER", "ParquetReader", "ParquetRow"]

AUDIO_KEYS = ("audio", "speech", "sound", "wav")
"""Which column of sounds counts when there are several, the first found."""


@dataclass(frozen=True)
class ParquetRow:
    """A sound inside a Parquet file: its row group, the row in it, the column, and what the sound's file is called."""

    group: int
    row: int
    column: str
    name: str

    def __str__(self) -> str:
        return f"group={self.group}&row={self.row}"

    def unpack(self, path: Path) -> bytes:
        """The bytes.

        Raises:
            AudioError: they are not there, or the file cannot be read.
        """
        try:
            state = path.stat()
            value = _sounds(str(path), state.st_size, state.st_mtime_ns, self.group, self.column)[self.row].as_py()
        except MissingExtraError as error:
            raise AudioError(str(error)) from error
        except Exception as error:  # Arrow has many errors for what is damaged
            raise AudioError(f"{path}#{self}: the sound cannot be read ({one_line(error)}); write the file again") from error
        data = value.get("bytes") if isinstance(value, dict) else None
        if not data:
            named = value.get("path") if isinstance(value, dict) else None
            raise AudioError(f"{path}#{self}: holds no sound, only the path {named!r}; embed the audio when writing the table")
        return bytes(data)


class ParquetReader:
    """Reads tables with a struct of ``bytes`` and ``path``; what ``voiceattack export --format parquet`` writes is one."""

    folder_names = frozenset({"*.parquet"})

    def accepts(self, path: Path) -> bool:
        """See :class:`~voiceattack.corpus.base.Reader`."""
        return path.suffix.lower() == ".parquet"

    def read(self, path: Path) -> Iterator[Item]:
        """One item a row, one row group in memory at a time; a bad row is a BadItem that names it."""
        try:
            parquet = optional_import("pyarrow.parquet", extra="export", feature="reading Parquet")
            with open_regular(path) as stored, parquet.ParquetFile(stored) as file:
                column = _sound_column(file.schema_arrow)
                for group in range(file.num_row_groups):
                    yield from _rows(path, file, group, column)
        except (CorpusError, MissingExtraError) as error:
            yield BadItem(str(path), str(error))
        except Exception as error:  # Arrow has many errors for what is damaged
            yield BadItem(str(path), f"no Parquet that can be read from here on ({one_line(error)}); write it again")


def _sound_column(schema: Any) -> str:
    types = optional_import("pyarrow", extra="export", feature="reading Parquet").types
    found = []
    for entry in schema:
        inner = {each.name: each.type for each in entry.type} if types.is_struct(entry.type) else {}
        if "bytes" in inner and (types.is_binary(inner["bytes"]) or types.is_large_binary(inner["bytes"])):
            found.append(entry.name)
    if not found:
        known = ", ".join(schema.names)[:200] or "none"
        raise CorpusError(f"no column of sounds, a struct with 'bytes' and 'path' (columns: {known}); embed the audio in it")
    return str(next((name for name in AUDIO_KEYS if name in found), found[0]))


def _rows(path: Path, file: Any, group: int, column: str) -> Iterator[Item]:
    """The items of a row group, read without its sounds."""
    schema = file.schema_arrow
    wanted = [name for name in schema.names if name != column and _is_plain(schema.field(name).type)]
    inside = [f"{column}.path"] if "path" in {each.name for each in schema.field(column).type} else []
    rows = file.metadata.row_group(group).num_rows
    table = file.read_row_group(group, columns=[*wanted, *inside])
    words = TextColumn(path)
    for index in range(rows):
        row = {name: table.column(name)[index].as_py() for name in wanted}
        sound = table.column(column)[index].as_py() if inside else None
        where = ParquetRow(group, index, column, _file_name(sound, path, group, index))
        text_key = words.of(row)
        text = row.pop(text_key, None)
        if text is not None and not isinstance(text, str):
            yield BadItem(f"{path}#{where}", f"the words in column {text_key!r} are no text; write what is said")
            continue
        yield Utterance(path, (text or "").strip() or None, Path(where.name).stem, row, packed=where)


def _is_plain(kind: Any) -> bool:
    types = optional_import("pyarrow", extra="export", feature="reading Parquet").types
    values = kind.value_type if types.is_list(kind) or types.is_large_list(kind) else kind
    return any(
        check(values)
        for check in (
            types.is_string,
            types.is_large_string,
            types.is_boolean,
            types.is_integer,
            types.is_floating,
            types.is_null,
        )
    )


def _file_name(sound: Any, path: Path, group: int, place: int) -> str:
    named = sound.get("path") if isinstance(sound, dict) else None
    name = Path(str(named).replace("\\", "/").replace("\0", "")).name if named else ""
    return name[:200] or f"{path.stem}-{group}-{place}.audio"


@lru_cache(maxsize=1)
def _sounds(path: str, size: int, mtime_ns: int, group: int, column: str) -> Any:
    """The sounds of a row group; the last one asked for is kept, since its rows follow each other."""
    del size, mtime_ns
    parquet = optional_import("pyarrow.parquet", extra="export", feature="reading Parquet")
    with open_regular(path) as stored, parquet.ParquetFile(stored) as file:
        return file.read_row_group(group, columns=[column]).column(column)


READER = ParquetReader()
