"""NeMo manifests: ``<split>.jsonl`` and ``audio/<id>.flac``; paths are relative to the manifest."""

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
    (folder / "audio").mkdir()
    with contextlib.ExitStack() as stack:
        manifests: dict[str, TextIO] = {}
        for item in items:
            if item.split not in manifests:
                manifests[item.split] = stack.enter_context(open(folder / f"{item.split}.jsonl", "w", encoding="utf-8"))
            name = f"audio/{item.id}.flac"
            shutil.copyfile(item.path, folder / name)
            manifests[item.split].write(json_line({"audio_filepath": name, "duration": item.seconds, **item.fields}))
