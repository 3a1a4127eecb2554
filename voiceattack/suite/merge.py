"""Join the run directories of a suite's shards into one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from voiceattack.errors import RunError
from voiceattack.files import copy_whole, inside, read_bytes, read_text, write_whole, writing
from voiceattack.locks import LOCK_FILE, holder_of, locked
from voiceattack.runs.run import Run
from voiceattack.suite.execute import MARK, REMAINS

__all__ = ["merge_shards"]


def merge_shards(shards: Sequence[Path], out: Path) -> None:
    """Copy what the shards made into ``out``, which may be one of them or hold an earlier merge.

    An example that several have counts once, a finished one before a failed one. Nothing is crafted or heard.

    Raises:
        RunError: a shard is no suite's run or is being written, or ``out`` cannot be written.
    """
    for path in shards:
        if not inside(path, MARK).exists():
            raise RunError(f"{path}: is no run of a suite; give folders that 'voiceattack run SUITE --shard i/n' wrote")
    with locked(out), writing(out, "make room or choose another --out"):
        if not inside(out, MARK).exists():
            if others := sorted(item.name for item in out.iterdir() if item.name not in REMAINS):
                raise RunError(f"{out}: holds other files ({others[0]}); choose a new or an empty --out")
            copy_whole(shards[0] / MARK, out / MARK)
        for path in shards:
            if path.resolve() == out.resolve():
                continue
            if (holder := holder_of(path)) is not None:
                raise RunError(f"{path}: is being written by {holder}; merge when it has finished")
            _join(path, out)


def _join(source: Path, out: Path) -> None:
    _copy(source, out, "inputs")
    for name in _names(source, "heard"):
        if name.endswith(".jsonl"):
            _join_lines(source, out, f"heard/{name}")
    for name in _names(source, "cells"):
        cell, target = inside(source, f"cells/{name}"), inside(out, f"cells/{name}")
        if not inside(cell, "run.json").exists():
            continue
        with locked(target):
            _join_cell(cell, target)


def _join_cell(cell: Path, target: Path) -> None:
    if not inside(target, "run.json").exists():
        _copy_all(cell, target)
        return
    if Run.open(target).id != Run.open(cell).id:
        raise RunError(f"{target}: is another run than {cell}; merge shards of one suite")
    for folder in ("audio", "clean", "original"):
        _copy(cell, target, folder)
    _join_lines(cell, target, "examples.jsonl")
    _join_lines(cell, target, "results.jsonl", ("id", "victim"))
    _join_states(cell, target)


def _names(root: Path, folder: str) -> list[str]:
    """What lies in a folder of a run, unfinished parts left out."""
    path = inside(root, folder)
    return sorted(item.name for item in path.iterdir() if not item.name.startswith(".")) if path.is_dir() else []


def _copy(source: Path, target: Path, folder: str) -> None:
    """The files of one folder that are not in the other yet."""
    for name in _names(source, folder):
        file, copy = inside(source, f"{folder}/{name}"), inside(target, f"{folder}/{name}")
        if file.is_file() and not copy.exists():
            copy_whole(file, copy)


def _copy_all(cell: Path, target: Path) -> None:
    """A whole cell, ``run.json`` last: with it the copy counts as made."""
    found = sorted(_files(cell), key=lambda name: name == "run.json")
    for name in found:
        copy_whole(inside(cell, name), inside(target, name))


def _files(root: Path) -> Iterator[str]:
    for folder, _, names in os.walk(root):
        for name in names:
            if name != LOCK_FILE and not name.endswith(".part"):
                yield os.path.relpath(os.path.join(folder, name), root)


def _join_lines(source: Path, target: Path, name: str, keys: Sequence[str] = ("id",)) -> None:
    rows: dict[tuple[str, ...], tuple[str, Any]] = {}
    for file in (inside(target, name), inside(source, name)):
        for line in read_text(file).splitlines() if file.exists() else []:
            try:
                row = json.loads(line)
                key, error = tuple(str(row[key]) for key in keys), row["error"]
            except (ValueError, KeyError, TypeError):
                continue  # torn by a kill; it was never finished
            if key not in rows or rows[key][1]:
                rows[key] = (line, error)
    write_whole(inside(target, name), "".join(f"{line}\n" for line, _ in rows.values()).encode())


def _join_states(source: Path, target: Path) -> None:
    """What both have crafted is crafted; whether all was heard is known only by looking at the joined results again."""
    states = []
    for folder in (source, target):
        try:
            states.append(json.loads(read_bytes(inside(folder, "suite-state.json"))))
        except (OSError, ValueError):
            states.append({})
    crafted = sorted({id for state in states for id in state.get("crafted", [])})
    marks = [state.get("heard", {}) for state in states]
    joined = {spec: mark.partition("-")[0] for spec, mark in marks[0].items() if _same(mark, marks[1].get(spec))}
    times = [state.get("heard_at", {}) for state in states]
    at = {spec: min(times[0][spec], times[1][spec]) for spec in joined if spec in times[0] and spec in times[1]}
    state = {"crafted": crafted, "heard": joined, "heard_at": at}
    write_whole(inside(target, "suite-state.json"), json.dumps(state, indent=1).encode())


def _same(mark: str, other: str | None) -> bool:
    """Whether one and the same victim heard both parts."""
    return other is not None and mark.partition("-")[0] == other.partition("-")[0]
