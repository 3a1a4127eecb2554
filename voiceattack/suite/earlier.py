"""Summaries of a suite's earlier runs, kept beside the last one: ``earlier/<when it finished>.json``, the newest hundred."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

from voiceattack.files import inside, read_bytes, write_whole, writing
from voiceattack.history.gather import EARLIER

__all__ = ["EARLIER", "MOST", "keep_last"]

MOST = 100
ADVICE = "make room or choose another --out"


def keep_last(out: Path) -> None:
    """Keep the summary that lies in the run directory, before another is written over it; the oldest beyond :data:`MOST` go.

    One of a shard is not kept, since it judged nothing.

    Raises:
        RunError: it cannot be written.
    """
    path = inside(out, "summary.json")
    try:
        data = read_bytes(path)
        summary = json.loads(data)
        finished, shard = str(summary["finished"]), summary["shard"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return  # there is none, or none that a history could read
    if shard:
        return
    folder = inside(out, EARLIER)
    name = re.sub("[^0-9A-Za-z.+-]", "-", finished)[:40]
    with writing(folder, ADVICE):
        folder.mkdir(exist_ok=True)
        write_whole(_free(out, name, data), data)
        for old in sorted(folder.glob("*.json"))[:-MOST]:
            old.unlink()


def _free(out: Path, name: str, data: bytes) -> Path:
    """Where these bytes lie already, or nothing does: two runs may finish in one second."""
    for number in itertools.count(1):
        path = inside(out, f"{EARLIER}/{name}{f'-{number}' if number > 1 else ''}.json")
        if not path.exists() or read_bytes(path) == data:
            break
    return path
