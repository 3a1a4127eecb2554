"""The runs below the folders that the user named."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from voiceattack.commands import command_line
from voiceattack.errors import RunError
from voiceattack.runs.run import Run

__all__ = ["find_runs"]


def find_runs(paths: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """Open every evaluated run in and below ``paths``: runs, suites (each attack and victim is a run), folders of either.

    Links to folders are not followed. A run that cannot be read, or was not evaluated, costs itself alone.

    Returns:
        The runs in the order of their paths, each once; and a line for each that is left out.

    Raises:
        RunError: a path is not there, or there is no evaluated run at all.
    """
    found: dict[str, Run] = {}
    notes: list[str] = []
    for path in paths:
        if not path.is_dir():
            raise RunError(f"{path}: no such folder; give a run, a suite's run or a folder of runs")
        for folder in _folders(path):
            try:
                run = Run.open(folder)
            except RunError as error:
                notes.append(str(error))
                continue
            if not (folder / "results.jsonl").exists():
                notes.append(f"{folder}: not evaluated, left out; run: {command_line('evaluate', folder)}")
                continue
            found.setdefault(os.path.realpath(folder), run)
    if not found:
        raise RunError(f"{paths[0]}: holds no evaluated run{f' ({notes[0]})' if notes else ''}; give a run or a folder of runs")
    return list(found.values()), notes


def _folders(path: Path) -> Iterator[Path]:
    for folder, below, files in os.walk(path):
        if "run.json" in files:
            below.clear()  # nothing below a run is another
            yield Path(folder)
        else:
            below.sort()
