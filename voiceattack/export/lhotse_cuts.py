"""Lhotse: ``cuts.<split>.jsonl`` of MonoCuts with recording and supervision, audio beside; written without the library.

Paths are relative to the folder, so that it can be moved: ``CutSet.from_file(...).with_recording_path_prefix(folder)``.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from voiceattack.audio.clips import SAMPLE_RATE
from voiceattack.export.base import ExportedClip, json_line

__all__ = ["write"]


def write(items: Iterator[ExportedClip], folder: Path) -> None:
    """See :mod:`voiceattack.export`."""
    (folder / "audio").mkdir()
    with contextlib.ExitStack() as stack:
        manifests: dict[str, TextIO] = {}
        for item in items:
            if item.split not in manifests:
                manifests[item.split] = stack.enter_context(open(folder / f"cuts.{item.split}.jsonl", "w", encoding="utf-8"))
            shutil.copyfile(item.path, folder / "audio" / f"{item.id}.flac")
            manifests[item.split].write(json_line(_cut(item)))


def _cut(item: ExportedClip) -> dict[str, Any]:
    return {
        "id": item.id,
        "start": 0.0,
        "duration": item.seconds,
        "channel": 0,
        "supervisions": [
            {
                "id": item.id,
                "recording_id": item.id,
                "start": 0.0,
                "duration": item.seconds,
                "channel": 0,
                "text": item.fields["text"],
                "custom": {
                    name: value for name, value in item.fields.items() if name not in ("id", "text") and value is not None
                },
            }
        ],
        "recording": {
            "id": item.id,
            "sources": [{"type": "file", "channels": [0], "source": f"audio/{item.id}.flac"}],
            "sampling_rate": SAMPLE_RATE,
            "num_samples": item.frames,
            "duration": item.seconds,
            "channel_ids": [0],
        },
        "type": "MonoCut",
    }
