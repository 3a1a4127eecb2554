"""Where the earlier runs lie: folders, files and patterns of names, each summary once, in the order of time."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from voiceattack.errors import RunError, VoiceAttackError
from voiceattack.files import open_regular
from voiceattack.history.past import FORMAT, PastRun, read_past_run

__all__ = ["EARLIER", "find_summaries", "read_runs"]

HEAD_BYTES = 200
EARLIER = "earlier"
"""Folder of a suite's run in which it keeps the summaries of the runs before."""


def find_summaries(given: Sequence[str | Path]) -> list[Path]:
    """Every summary of a suite's run in and below the folders, among the files, and behind the patterns that are given.

    A summary is known by its content, so that copies under other names (``2026-03-01-1a2b3c.json``) count. Links to folders are
    not followed, and below a run of a suite only what it kept of the runs before counts.

    Raises:
        RunError: a path is not there, or a pattern fits nothing.
    """
    found: dict[str, Path] = {}
    for text in map(str, given):
        paths = [Path(text)] if os.path.exists(text) else [Path(name) for name in sorted(glob.glob(text, recursive=True))]
        if not paths:
            raise RunError(f"{text}: no such folder or file; give folders of suites' runs, or their summary.json, or a pattern")
        for path in paths:
            for summary in _below(path) if path.is_dir() else [path]:
                found.setdefault(os.path.realpath(summary), summary)
    return list(found.values())


def read_runs(given: Sequence[str | Path]) -> tuple[list[PastRun], list[str]]:
    """The runs found there, the oldest first, and a line for each that could not be read.

    Raises:
        RunError: a path is not there, or there is no run at all.
    """
    runs, notes = [], []
    for path in find_summaries(given):
        try:
            runs.append(read_past_run(path))
        except VoiceAttackError as error:
            notes.append(str(error))
    if not runs:
        reason = f" ({notes[0]})" if notes else ""
        raise RunError(f"{given[0]}: holds no summary of a suite's run{reason}; keep the summary.json of each voiceattack run")
    return sorted(runs, key=lambda run: (run.finished, str(run.path))), notes


def _below(folder: Path) -> Iterator[Path]:
    for place, below, files in os.walk(folder):
        own = [Path(place, name) for name in sorted(files) if name.endswith(".json") and _is_summary(Path(place, name))]
        yield from own
        if any(path.name == "summary.json" for path in own):
            below[:] = [name for name in below if name == EARLIER]
        below.sort()


def _is_summary(path: Path) -> bool:
    try:
        with open_regular(path) as stream:
            return f'"{FORMAT}"'.encode() in stream.read(HEAD_BYTES)
    except (OSError, VoiceAttackError):
        return False
