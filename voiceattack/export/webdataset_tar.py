"""WebDataset: shards ``<split>-000000.tar`` of at most 1,000 samples, each ``.flac``, ``.txt`` (said) and ``.json``."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from voiceattack.export.base import ExportedClip
from voiceattack.files import read_bytes

__all__ = ["write"]

SAMPLES = 1000


def write(items: Iterator[ExportedClip], folder: Path) -> None:
    """See :mod:`voiceattack.export`."""
    shards: dict[str, tarfile.TarFile] = {}
    counts: dict[str, int] = {}
    try:
        for item in items:
            count = counts.get(item.split, 0)
            if count % SAMPLES == 0:
                if item.split in shards:
                    shards[item.split].close()
                name = f"{item.split}-{count // SAMPLES:06d}.tar"
                shards[item.split] = tarfile.open(folder / name, "w")  # noqa: SIM115  closed below
            counts[item.split] = count + 1
            shard = shards[item.split]
            key = item.id.replace(".", "_")  # a sample's key ends at its first dot
            _add(shard, f"{key}.flac", read_bytes(item.path))
            _add(shard, f"{key}.txt", (item.fields["text"] or "").encode())
            _add(shard, f"{key}.json", json.dumps(item.fields, ensure_ascii=False).encode())
            shard.members = []  # type: ignore[attr-defined]  # or it would remember every member
    finally:
        for shard in shards.values():
            shard.close()


def _add(shard: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    shard.addfile(entry, io.BytesIO(data))
