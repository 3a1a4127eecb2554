"""Parquet, one file a split, with the FLAC bytes inside and the column types that ``datasets`` knows as Audio."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from voiceattack.export.base import RATES, ExportedClip
from voiceattack.extras import optional_import
from voiceattack.files import read_bytes
from voiceattack.metrics import columns

__all__ = ["write"]

ROWS = 16  # a row group, which bounds the memory


def write(items: Iterator[ExportedClip], folder: Path) -> None:
    """See :mod:`voiceattack.export`."""
    arrow = optional_import("pyarrow", extra="export", feature="the export format parquet")
    parquet = optional_import("pyarrow.parquet", extra="export", feature="the export format parquet")
    writers: dict[str, Any] = {}
    waiting: dict[str, list[dict[str, Any]]] = {}
    schema: Any = None

    def flush(split: str) -> None:
        writers[split].write_table(arrow.Table.from_pylist(waiting[split], schema=schema))
        waiting[split] = []

    try:
        for item in items:
            if schema is None:
                schema = _schema(arrow, item)
            if item.split not in writers:
                # FLAC does not get smaller; without dictionaries nothing is held back.
                path = folder / f"{item.split}.parquet"
                writers[item.split] = parquet.ParquetWriter(path, schema, use_dictionary=False, compression="zstd")
                waiting[item.split] = []
            sound = {"bytes": read_bytes(item.path), "path": f"{item.id}.flac"}
            waiting[item.split].append({"audio": sound, **item.fields})
            if len(waiting[item.split]) == ROWS:
                flush(item.split)
        for split, rows in waiting.items():
            if rows:
                flush(split)
    finally:
        for writer in writers.values():
            writer.close()


def _schema(arrow: Any, item: ExportedClip) -> Any:
    # Whatever the first item has of them: they may be null in one and a number in the next.
    numbers = {*RATES, *(metric.name for metric in columns("export")), "seconds"}

    def kind(name: str) -> tuple[Any, str]:
        if name in numbers:
            return arrow.float64(), "float64"
        value = item.fields[name]
        kinds = {bool: (arrow.bool_(), "bool"), int: (arrow.int64(), "int64")}
        return kinds.get(type(value), (arrow.string(), "string"))

    sound = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    fields = [("audio", sound), *((name, kind(name)[0]) for name in item.fields)]
    features = {name: {"dtype": kind(name)[1], "_type": "Value"} for name in item.fields}
    info = {"info": {"features": {"audio": {"sampling_rate": 16_000, "_type": "Audio"}, **features}}}
    return arrow.schema(fields, metadata={"huggingface": json.dumps(info)})
