"""Hugging Face audiofolder: ``<split>/metadata.jsonl`` beside the files that it names."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from voiceattack.export.base import ExportedClip, json_line

__all__ = ["write"]


def write(items: Iterator[ExportedClip], folder: Path) -> None:
    """See :mod:`voiceattack.export`."""
    with contextlib.ExitStack() as stack:
        tables: dict[str, TextIO] = {}
        for item in items:
            if item.split not in tables:
                (folder / item.split).mkdir()
                path = folder / item.split / "metadata.jsonl"
                tables[item.split] = stack.enter_context(open(path, "w", encoding="utf-8"))
            name = f"{item.id}.flac"
            shutil.copyfile(item.path, folder / item.split / name)
            tables[item.split].write(json_line({"file_name": name, **item.fields}))
