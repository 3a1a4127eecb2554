"""Baselines that are kept: one small JSON file, to be put under version control."""

from __future__ import annotations

import json
from pathlib import Path

from voiceattack.compare.snapshots import Snapshot
from voiceattack.files import write_whole, writing

__all__ = ["DEFAULT_BASELINE", "write_baseline"]

DEFAULT_BASELINE = Path("voiceattack-baseline.json")


def write_baseline(path: Path, run: Snapshot, keep: Snapshot | None = None) -> None:
    """Write what ``run`` heard; entries that only ``keep`` has stay.

    Raises:
        RunError: it cannot be written, or is a folder.
    """
    entries = {**({} if keep is None else keep.entries), **run.entries}
    ordered = [entries[key].as_dict() for key in sorted(entries, key=str)]
    # One entry a line, so that a review of the change shows what changed.
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False, sort_keys=True) for entry in ordered)
    made_with = json.dumps(run.made_with, ensure_ascii=False, sort_keys=True)
    text = f'{{"format": "voiceattack baseline 1",\n"made_with": {made_with},\n"entries": [\n{lines}\n]}}\n'
    with writing(path, "give a file as --baseline"):
        write_whole(path, text.encode("utf-8", "replace"))
