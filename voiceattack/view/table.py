"""The rows of many runs in a database in memory, so that ten thousand are searched, filtered and sorted at once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from voiceattack.errors import RunError
from voiceattack.metrics import columns
from voiceattack.runs.records import AnyResult, Result, TextResult
from voiceattack.runs.run import Run

__all__ = ["FACETS", "PAGE", "Asked", "Page", "Table", "export_lines"]

PAGE = 50
FACETS = ("run", "victim", "attack", "outcome")
TEXTS = ("run", "id", "victim", "attack", "outcome", "said", "heard", "clean", "action")
FIELDS = (*TEXTS, "success", "is_control", "audio", "clean_audio")


@dataclass(frozen=True)
class Asked:
    """What a page of the table is to show.

    Attributes:
        words: all of them stand in a row, in any case.
        run, victim, attack, outcome: exactly these; empty for all.
        beside: a second victim, whose hearing of the same artefact stands beside each row; rows it has not heard are left out.
        differ: with ``beside``, only where the two outcomes differ.
        marked: only marked rows.
        controls: noise controls too.
        sort: a column; ``descending`` turns it round. Rows without a value come last.
        offset: rows left out before the page.
    """

    words: str = ""
    run: str = ""
    victim: str = ""
    attack: str = ""
    outcome: str = ""
    beside: str = ""
    differ: bool = False
    marked: bool = False
    controls: bool = False
    sort: str = "key"
    descending: bool = False
    offset: int = 0


@dataclass(frozen=True)
class Page:
    """Rows, how many fit what was asked, and how many there are."""

    rows: list[dict[str, Any]]
    fitting: int
    total: int


class Table:
    """Every result of some runs. A stage that a search met on its way is left out; noise controls are there when asked for.

    Args:
        runs: evaluated ones, of audio or of texts.

    Attributes:
        runs: by the name that the table shows, which is the path as it was given.
        notes: a line for each run whose results cannot be read; it is left out whole.
        figures: heading by name of the columns of figures.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        shown = columns("list")
        self.figures = {metric.name: metric.heading_in("list") for metric in shown}
        self.digits = {metric.name: metric.digits_in("list") for metric in shown}
        self.runs: dict[str, Run] = {}
        self.notes: list[str] = []
        self._lock = Lock()
        self._base = sqlite3.connect(":memory:", check_same_thread=False)
        names = ", ".join(f'"{name}"' for name in self._columns)
        self._base.execute(f"CREATE TABLE row (key INTEGER PRIMARY KEY, {names}, text, line, marked)")
        for run in runs:
            self._take(run)
        self._base.execute('CREATE INDEX artefact ON row (run, id, victim, "is_control")')
        if not self.runs:
            raise RunError(f"no results can be shown: {self.notes[0] if self.notes else 'no runs'}")

    @property
    def _columns(self) -> list[str]:
        return [*FIELDS, *(f"figure {name}" for name in self.figures)]

    def _take(self, run: Run) -> None:
        name = run.path.as_posix()
        try:
            rows = [self._row(name, result) for result in run.any_results() if not result.is_stage]
        except RunError as error:
            self.notes.append(str(error))
            return
        self.runs[name] = run
        marks = ", ".join("?" * (len(self._columns) + 4))
        self._base.executemany(f"INSERT INTO row VALUES ({marks})", rows)

    def _row(self, run: str, result: AnyResult) -> tuple[Any, ...]:
        if isinstance(result, Result):
            said, heard, clean = result.reference, result.hypothesis, result.clean_hypothesis
            victim, attack, action = result.victim, result.attack, result.action
        else:
            assert isinstance(result, TextResult)
            said, heard, clean = result.text, result.answer or result.perturbed, result.clean_answer
            victim, attack, action = result.victim or "", result.perturbation, None
        texts = (
            run,
            result.id,
            victim,
            attack,
            result.outcome,
            said or "",
            heard or result.error or "",
            clean or "",
            action or "",
        )
        rest = (result.success, result.is_control, result.audio, result.clean_audio)
        figures = (result.value(name) for name in self.figures)
        whole = " ".join(texts).casefold()
        return (None, *texts, *rest, *figures, whole, json.dumps(result.as_json(), default=str), False)

    def facets(self) -> dict[str, list[str]]:
        """The values of each of :data:`FACETS`, in order."""
        with self._lock:
            return {
                name: [row[0] for row in self._base.execute(f"SELECT DISTINCT {name} FROM row ORDER BY 1")] for name in FACETS
            }

    def page(self, asked: Asked, size: int = PAGE) -> Page:
        """A page of the rows that fit; a column to sort by that is not there is taken for the order of the runs."""
        where, given = self._where(asked)
        joined = ""
        if asked.beside:
            joined = (
                " JOIN row AS other ON other.run = row.run AND other.id = row.id AND other.victim = ? AND other.key != row.key"
            )
            given = [asked.beside, *given]
            where += " AND other.outcome != row.outcome" if asked.differ else ""
        names = {name: f'row."{name}"' for name in TEXTS} | {name: f'row."figure {name}"' for name in self.figures}
        by = names.get(asked.sort, "row.key")
        order = f"{by} IS NULL, {by} {'DESC' if asked.descending else 'ASC'}, row.key"
        with self._lock:
            (fitting,) = self._base.execute(f"SELECT count(*) FROM row{joined} WHERE {where}", given).fetchone()
            (total,) = self._base.execute("SELECT count(*) FROM row WHERE NOT is_control").fetchone()
            more = ", other.heard, other.outcome" if asked.beside else ""
            found = self._base.execute(
                f"SELECT row.*{more} FROM row{joined} WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?",
                [*given, size, max(0, asked.offset)],
            ).fetchall()
            return Page([self._shown(row, bool(asked.beside)) for row in found], fitting, total)

    def _where(self, asked: Asked) -> tuple[str, list[Any]]:
        parts: list[str] = ["1"]
        given: list[Any] = []
        for word in asked.words.casefold().split():
            parts.append("instr(row.text, ?) > 0")
            given.append(word)
        for name in FACETS:
            if value := getattr(asked, name):
                parts.append(f"row.{name} = ?")
                given.append(value)
        if not asked.controls:
            parts.append("NOT row.is_control")
        if asked.marked:
            parts.append("row.marked")
        return " AND ".join(parts), given

    def _shown(self, row: Sequence[Any], beside: bool) -> dict[str, Any]:
        values = dict(zip(["key", *self._columns], row, strict=False))
        figures = {name: values.pop(f"figure {name}") for name in self.figures}
        sounds = [kind for kind, name in (("clean", "clean_audio"), ("adversarial", "audio")) if values.pop(name)]
        other = {"beside": {"heard": row[-2], "outcome": row[-1]}} if beside else {}
        marked = bool(row[len(self._columns) + 3])
        return {**values, "figures": figures, "sounds": sounds, "marked": marked, **other}

    def mark(self, keys: Iterable[int], on: bool) -> int:
        """Mark rows or take their marks away; how many are marked then. Keys that are not there are ignored."""
        with self._lock:
            self._base.executemany("UPDATE row SET marked = ? WHERE key = ?", [(on, key) for key in keys])
            (marked,) = self._base.execute("SELECT count(*) FROM row WHERE marked").fetchone()
            return int(marked)

    def artefact(self, key: int) -> tuple[Run, list[AnyResult], list[AnyResult]]:
        """The artefact of a row: its run, what each victim made of it (the row's first), and of its noise control.

        Raises:
            RunError: there is no such row.
        """
        with self._lock:
            first = self._base.execute("SELECT run, id, victim FROM row WHERE key = ?", (key,)).fetchone()
            if first is None:
                raise RunError(f"there is no row {key}; load the page again")
            run, id, victim = first
            lines = self._base.execute(
                "SELECT line FROM row WHERE run = ? AND id = ? ORDER BY victim != ?, key", (run, id, victim)
            ).fetchall()
            noise = self._base.execute("SELECT line FROM row WHERE run = ? AND is_control", (run,)).fetchall()
        model: type[AnyResult] = TextResult if self.runs[run].request.get("kind") == "text" else Result
        rows = [model.model_validate(json.loads(line)) for (line,) in lines]
        controls = [told for (line,) in noise if (told := json.loads(line)).get("control_for") == id]
        return self.runs[run], rows, [model.model_validate(told) for told in controls]

    def sound(self, key: int, kind: Literal["clean", "adversarial", "noise"]) -> Path:
        """The file of a row's sound.

        Raises:
            RunError: there is no such row or sound, or its path leads out of the run.
        """
        run, rows, controls = self.artefact(key)
        source = controls[0] if kind == "noise" and controls else rows[0]
        name = source.clean_audio if kind == "clean" else source.audio
        if name is None or (kind == "noise" and not controls):
            raise RunError(f"{rows[0].id}: has no {kind} sound")
        return run.resolve(name)

    def marked(self) -> list[tuple[Run, AnyResult]]:
        """The marked rows with their runs, in order."""
        with self._lock:
            keys = [key for (key,) in self._base.execute("SELECT key FROM row WHERE marked ORDER BY key")]
        return [(run, rows[0]) for run, rows, _ in (self.artefact(key) for key in keys)]


def export_lines(marked: Sequence[tuple[Run, AnyResult]]) -> Iterator[dict[str, Any]]:
    """The marked rows as lines of a NeMo manifest that ``voiceattack attack`` reads too: ``audio_filepath`` is the artefact.

    Texts have no sound and no ``audio_filepath``.
    """
    for run, result in marked:
        told = result.as_json()
        paths = {"audio_filepath": result.audio, "clean_filepath": result.clean_audio}
        found = {name: str(run.resolve(path).resolve()) for name, path in paths.items() if path}
        said = told.get("reference", told.get("text"))
        heard = told.get("hypothesis", told.get("perturbed"))
        kept = ("id", "victim", "attack", "objective", "target", "outcome", "wer", "snr_db")
        yield {**found, "text": said, "heard": heard, **{name: told.get(name) for name in kept}, "run": str(run.path)}
