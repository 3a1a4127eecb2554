"""One earlier run, as its ``summary.json`` tells it: what a history needs of it, checked, and no more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pydantic import Field

from voiceattack.errors import RunError
from voiceattack.files import one_line, read_bytes
from voiceattack.runs.record_types import Count, Number, Record, RecordError, Text, check

__all__ = ["FORMAT", "CaseKey", "PastCase", "PastFigure", "PastGate", "PastKnown", "PastRun", "PastVictim", "read_past_run"]

FORMAT = "voiceattack suite summary 1"
MOST_CLIPS = 10_000_000
"""Of one figure: an exact test of more would take for ever."""
CaseKey = tuple[str, str, str, str]
"""Victim, attack (empty for clean clips and those without speech), seed, id: what ties a case of one run to that of another."""


class PastFigure(Record):
    """A gate's figure of one seed: ``value`` with its 95% ``interval`` over ``n`` clips; None where there was none."""

    value: Number = None
    interval: list[float | None] | None = None
    n: int = Field(0, ge=0, le=MOST_CLIPS)


class PastGate(PastFigure):
    """A gate as it was judged for one victim and attack."""

    name: Text
    gate: Text
    figure: Text
    verdict: Text
    reason: Text = ""
    victim: Text | None = None
    attack: Text | None = None
    seeds: list[PastFigure] = Field(default_factory=list)


class PastVictim(Record):
    """Who listened; ``version`` is what its owner calls it, ``fingerprint`` what could be seen of it."""

    name: Text
    spec: Text = ""
    version: Text | None = None
    fingerprint: Text | None = None


class PastKnown(Record):
    """A known failure of the suite (``expected:``), and what became of it in the run."""

    state: Text
    """``expected``, ``fixed``, ``expired`` or ``not tried``."""
    told: Text
    clip: Text | None = None
    tag: Text | None = None
    gate: Text | None = None
    victim: Text | None = None
    attack: Text | None = None
    outcome: Text | None = None

    @property
    def subject(self) -> tuple[str, ...]:
        """What it is about, to find it in other runs."""
        return tuple(value or "" for value in (self.clip, self.tag, self.gate, self.victim, self.attack, self.outcome))


class _Example(Record):
    id: Text
    victim: Text
    attack: Text
    seed: Count | Text | None = None
    outcome: Text
    cell: Text | None = None


class _Clean(Record):
    id: Text
    victim: Text
    kind: Text
    wer: Number = None
    words: Count | None = None
    wake_ups: Count | None = None
    error: Text | None = None


class _Summary(Record):
    suite: Text
    verdict: Text
    shard: Text | None = None
    finished: Text | None = None
    commit: Text | None = None
    gates: list[PastGate]
    victims: list[PastVictim] = Field(default_factory=list)
    expected: list[PastKnown] = Field(default_factory=list)
    examples: list[_Example]
    clean: list[_Clean]


@dataclass(frozen=True)
class PastCase:
    """A clip as one victim took it under one attack: the verdict, and what stands for all that it depends on.

    ``inputs`` is None in runs of versions that did not write it: then nobody can say whether they were the same.
    """

    verdict: str
    inputs: str | None


@dataclass(frozen=True)
class PastRun:
    """One run of a suite.

    Attributes:
        path: its summary.json.
        suite: name of the suite.
        verdict: ``passed``, ``failed`` or ``error``.
        finished: when, UTC; of an older version, when its file was written.
        commit: of the project tested, in full; None where it is not known.
        victims, gates: in the suite's order.
        known: the suite's known failures.
        cases: by key; a clean clip whose words nobody wrote down has none.
    """

    path: Path
    suite: str
    verdict: str
    finished: datetime
    commit: str | None
    victims: tuple[PastVictim, ...]
    gates: tuple[PastGate, ...]
    known: tuple[PastKnown, ...]
    cases: dict[CaseKey, PastCase]

    @property
    def against(self) -> int:
        """How many gates failed, were unreliable or could not be judged; known failures apart."""
        return sum(gate.verdict not in ("passed", "expected") for gate in self.gates)

    @property
    def date(self) -> str:
        """Day and minute, UTC."""
        return self.finished.strftime("%Y-%m-%d %H:%M")

    @property
    def short_commit(self) -> str:
        """Ten digits of the commit, or nothing."""
        return (self.commit or "")[:10]

    @property
    def models(self) -> str:
        """The victims by version where their owner gives one, else by the beginning of their fingerprint."""
        told = ((one.name, one.version or (one.fingerprint or "")[:8]) for one in self.victims)
        return ", ".join(f"{name} {mark}".strip() for name, mark in told)


def read_past_run(path: Path) -> PastRun:
    """Read a suite's ``summary.json``.

    Raises:
        RunError: it cannot be read, is damaged, or is of a shard, which judged nothing.
    """
    try:
        found = check(_Summary, json.loads(read_bytes(path)))
        finished = datetime.fromisoformat(found.finished) if found.finished else _written(path)
        if finished.tzinfo is None:
            finished = finished.replace(tzinfo=timezone.utc)
        finished = finished.astimezone(timezone.utc)
    except (OSError, OverflowError, ValueError, RecursionError, RecordError) as error:
        raise RunError(f"{path}: is no summary of a suite's run that can be read ({one_line(error)})") from error
    if found.shard:
        raise RunError(f"{path}: is of shard {found.shard}, whose gates were not judged; give the merged run's")
    cases = dict(_cases(found))
    gates, known, victims = tuple(found.gates), tuple(found.expected), tuple(found.victims)
    return PastRun(path, found.suite, found.verdict, finished, found.commit, victims, gates, known, cases)


def _written(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)


def _cases(summary: _Summary) -> Iterator[tuple[CaseKey, PastCase]]:
    marks = {one.name: one.fingerprint for one in summary.victims}
    for row in summary.examples:
        mark = marks.get(row.victim)
        inputs = f"{row.cell}:{mark}" if row.cell and mark else None
        yield (row.victim, row.attack, _seed(row.seed), row.id), PastCase(row.outcome, inputs)
    for one in summary.clean:
        if (verdict := _verdict(one)) is not None:
            yield (one.victim, "", "", one.id), PastCase(verdict, marks.get(one.victim))


def _seed(seed: Any) -> str:
    return "" if seed is None else str(seed)


def _verdict(one: _Clean) -> str | None:
    if one.error:
        return "error"
    if one.kind == "no-speech":
        return "words invented" if one.words or one.wake_ups else "silent"
    return None if one.wer is None else "misheard" if one.wer else "heard right"
