"""What a comparison reads: a run directory, a suite's, the summary.json of either, or a baseline that was blessed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from voiceattack.commands import command_line
from voiceattack.errors import RunError
from voiceattack.files import inside, one_line, read_bytes
from voiceattack.metrics.text import normalize, word_errors
from voiceattack.runs.checks import check_made_with
from voiceattack.runs.records import SCORED
from voiceattack.runs.run import Run

__all__ = ["ComparedExample", "Key", "Snapshot", "load_snapshot"]

Json = dict[str, Any]
Key = tuple[str, str, str | None, str]
"""Victim, attack, seed, id: what ties an example of one run to the same one of another."""


@dataclass(frozen=True)
class ComparedExample:
    """One example as it was heard.

    Attributes:
        victim, attack, seed, id: see :data:`Key`; the attack is empty for clean clips and those without speech.
        outcome: as in results.jsonl, or ``clean``, ``no-speech``, ``error``.
        success: whether it was fooled; of a clip without speech, whether words were heard.
        words, errors, clean_errors: said, misheard, misheard when clean; None when not known.
        snr_db: of the perturbation.
        heard: the transcript.
    """

    victim: str
    attack: str
    seed: str | None
    id: str
    outcome: str
    success: bool
    words: int | None
    errors: int | None
    clean_errors: int | None
    snr_db: float | None
    heard: str

    @property
    def key(self) -> Key:
        """See :data:`Key`."""
        return self.victim, self.attack, self.seed, self.id

    @property
    def scored(self) -> bool:
        """Whether ``success`` counts."""
        return self.outcome in SCORED or self.outcome == "no-speech"

    def as_dict(self) -> Json:
        """JSON-safe; :func:`load_snapshot` reads it again."""
        return dict(vars(self))


@dataclass(frozen=True)
class Snapshot:
    """One of the two.

    Attributes:
        path: where it was read.
        entries: by key.
        made_with: versions and platform.
    """

    path: Path
    entries: dict[Key, ComparedExample]
    made_with: Json = field(default_factory=dict)

    @property
    def victims(self) -> list[str]:
        """Names, in order."""
        return list(dict.fromkeys(entry.victim for entry in self.entries.values()))

    def renamed(self, victim: str) -> Snapshot:
        """The same with its only victim called otherwise."""
        entries = [ComparedExample(**{**entry.as_dict(), "victim": victim}) for entry in self.entries.values()]
        return Snapshot(self.path, {entry.key: entry for entry in entries}, self.made_with)


def load_snapshot(path: Path) -> Snapshot:
    """Read a run directory, a suite's run directory, the summary.json of either, or a baseline.

    Raises:
        RunError: it is none of them, is not evaluated, or is damaged.
    """
    summary = inside(path, "summary.json") if path.is_dir() else path
    if path.is_dir() and (path / "results.jsonl").exists():
        run = Run.open(path)
        rows = [row for row in run.each_result() if row.is_final]
        made_with = {name: run.info.get(name) for name in ("versions", "platform", "normalizer")}
        if (path / "summary.json").exists():  # an evaluation may be younger than what it heard
            made_with["normalizer"] = (run.summary().get("made_with") or made_with).get("normalizer")
        return _side(path, [_example(row.baseline_entry()) for row in rows], made_with)
    try:
        found = json.loads(read_bytes(summary))
    except FileNotFoundError as error:
        hint = (
            f"run first: {command_line('evaluate', path)}" if (path / "run.json").exists() else "give a run or its summary.json"
        )
        raise RunError(f"{path}: holds no results; {hint}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{summary}: cannot be read ({one_line(error)}); give a run or its summary.json") from error
    try:
        if "entries" in found:
            return _side(path, [ComparedExample(**entry) for entry in found["entries"]], found.get("made_with", {}))
        clean = [entry for row in found.get("clean", []) if (entry := _clean(row)) is not None]
        return _side(path, [*map(_example, found["examples"]), *clean], found.get("made_with", {}))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise RunError(
            f"{summary}: holds no examples to compare ({type(error).__name__}: {one_line(error)}); "
            "evaluate the run again, or give a baseline that 'voiceattack bless' wrote"
        ) from error


_ENTRIES = TypeAdapter(list[ComparedExample])


def _side(path: Path, entries: Iterable[ComparedExample], made_with: Json) -> Snapshot:
    """Raises ValueError for an entry with a value of another type: baselines are files that anybody may have edited."""
    by_key = {entry.key: entry for entry in _ENTRIES.validate_python([entry.as_dict() for entry in entries])}
    check_made_with(made_with)
    if not by_key:
        raise RunError(f"{path}: holds no examples; there is nothing to compare")
    return Snapshot(path, by_key, made_with)


def _example(row: Json) -> ComparedExample:
    # A suite names its attacks; those of a plain run are told apart by what they want.
    goal = "" if "spec" in row or row["objective"] == "untargeted" else f" {row['objective']}"
    target = f" {row['target']!r}" if row["target"] and "spec" not in row else ""
    seed = row.get("seed")
    return ComparedExample(
        victim=row["victim"],
        attack=f"{row['attack']}{goal}{target}",
        seed=None if seed is None else str(seed),
        id=row["id"],
        outcome=row["outcome"],
        success=bool(row["success"]),
        words=row["words"],
        errors=row["errors"],
        clean_errors=row["clean_errors"],
        snr_db=row["snr_db"],
        heard=row["hypothesis"] or "",
    )


def _clean(row: Json) -> ComparedExample | None:
    """A clean clip, or one without speech; None for a clip whose words nobody wrote down."""
    language = str(row.get("language") or "en")
    words, heard = (normalize(row[key] or "", language) for key in ("reference", "hypothesis"))
    if row["kind"] == "clean" and not words:
        return None
    count = word_errors(words, heard) if words and not row["error"] else None
    return ComparedExample(
        victim=row["victim"],
        attack="",
        seed=None,
        id=row["id"],
        outcome="error" if row["error"] else row["kind"],
        success=row["kind"] == "no-speech" and bool(row["words"]),
        words=None if count is None else count.reference_words,
        errors=None,
        clean_errors=None if count is None else count.errors,
        snr_db=None,
        heard=row["hypothesis"] or "",
    )
