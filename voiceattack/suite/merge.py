"""Join the run directories of a suite's shards into one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from voiceattack.errors import RunError
from voiceattack.files import one_line, write_whole
from voiceattack.runs import Run
from voiceattack.suite.execute import MARK

__all__ = ["merge_shards"]


def merge_shards(shards: Sequence[Path], out: Path) -> None:
    """Copy what the shards made into ``out``, which may be one of them or hold an earlier merge.

    An example that several have counts once, a finished one before a failed one. Nothing is crafted or heard.

    Raises:
        RunError: a shard is no suite's run, or ``out`` cannot be written.
    """
    for path in shards:
        if not (path / MARK).exists():
            raise RunError(f"{path}: is no run of a suite; give folders that 'voiceattack run SUITE --shard i/n' wrote")
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not (out / MARK).exists():
            if others := sorted(item.name for item in out.iterdir()):
                raise RunError(f"{out}: holds other files ({others[0]}); choose a new or an empty --out")
            shutil.copyfile(shards[0] / MARK, out / MARK)
        for path in shards:
            if path.resolve() != out.resolve():
                _join(path, out)
    except OSError as error:
        raise RunError(f"{out}: cannot be written ({one_line(error)}); make room or choose another --out") from error


def _join(source: Path, out: Path) -> None:
    _copy_missing(source / "inputs", out / "inputs")
    for file in sorted((source / "heard").glob("*.jsonl")):
        _join_lines(file, out / "heard" / file.name, "error")
    for cell in sorted((source / "cells").glob("*")):
        if not (cell / "run.json").exists():
            continue
        target = out / "cells" / cell.name
        if not target.exists():
            shutil.copytree(cell, target, symlinks=False)
            continue
        if Run.open(target).id != Run.open(cell).id:
            raise RunError(f"{target}: is another run than {cell}; merge shards of one suite")
        for folder in ("audio", "clean", "original"):
            _copy_missing(cell / folder, target / folder)
        _join_lines(cell / "examples.jsonl", target / "examples.jsonl", "error")
        _join_lines(cell / "results.jsonl", target / "results.jsonl", "error", ("id", "victim"))
        _join_states(cell, target)


def _copy_missing(source: Path, target: Path) -> None:
    for file in sorted(source.glob("*")):
        if file.is_file() and not (target / file.name).exists():
            target.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target / file.name)


def _join_lines(source: Path, target: Path, error: str, keys: Sequence[str] = ("id",)) -> None:
    rows: dict[tuple[str, ...], str] = {}
    for file in (target, source):
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
            try:
                row = json.loads(line)
            except ValueError:
                continue  # torn by a kill; it was never finished
            key = tuple(str(row[name]) for name in keys)
            if key not in rows or json.loads(rows[key])[error]:
                rows[key] = line
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, "".join(f"{line}\n" for line in rows.values()).encode())


def _join_states(source: Path, target: Path) -> None:
    """What both have crafted is crafted; whether all was heard is known only by looking at the joined results again."""
    states = []
    for folder in (source, target):
        try:
            states.append(json.loads((folder / "suite-state.json").read_bytes()))
        except (OSError, ValueError):
            states.append({})
    crafted = sorted({id for state in states for id in state.get("crafted", [])})
    marks = [state.get("heard", {}) for state in states]
    joined = {spec: mark.partition("-")[0] for spec, mark in marks[0].items() if _same(mark, marks[1].get(spec))}
    write_whole(target / "suite-state.json", json.dumps({"crafted": crafted, "heard": joined}, indent=1).encode())


def _same(mark: str, other: str | None) -> bool:
    """Whether one and the same victim heard both parts."""
    return other is not None and mark.partition("-")[0] == other.partition("-")[0]
