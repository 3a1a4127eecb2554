"""The history of a suite: its runs in a row, and all that is to be said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from voiceattack.history.cases import Flaky, KnownFailure, flaky_cases, gone_cases, known_failures, new_cases
from voiceattack.history.changes import Change, changes
from voiceattack.history.past import CaseKey, PastRun
from voiceattack.history.series import Point, Series, series_of

__all__ = ["History", "case_name", "histories", "history_of"]

Json = dict[str, Any]


@dataclass(frozen=True)
class History:
    """The runs of one suite, the oldest first.

    Attributes:
        suite: its name.
        runs: at least one.
        series: a gate each.
        changes: when which of them changed, in the order of time.
        flaky: cases whose verdict changed though their inputs did not.
        known: known failures of the suite, as the last run found them.
        new, gone: cases that the last run has and the one before has not, and the other way round.
        notes: what to know.
    """

    suite: str
    runs: tuple[PastRun, ...]
    series: tuple[Series, ...]
    changes: tuple[Change, ...]
    flaky: tuple[Flaky, ...]
    known: tuple[KnownFailure, ...]
    new: tuple[CaseKey, ...]
    gone: tuple[CaseKey, ...]
    notes: tuple[str, ...]

    @property
    def new_gates(self) -> list[Series]:
        """Those that the last run is the first to have."""
        return [one for one in self.series if len(self.runs) > 1 and one.points[0].run == len(self.runs) - 1]

    @property
    def gone_gates(self) -> list[Series]:
        """Those that the last run no longer has."""
        return [one for one in self.series if one.points[-1].run < len(self.runs) - 1]

    def as_dict(self) -> Json:
        """JSON-safe; runs are numbered from 1, as people count them."""
        return {
            "suite": self.suite,
            "runs": [_run(number, run) for number, run in enumerate(self.runs, 1)],
            "gates": [_series(one) for one in self.series],
            "changes": [_change(one) for one in self.changes],
            "flaky": [
                {**_case(one.key), "changed_in": [place + 1 for place in one.changed], "verdicts": dict(one.verdicts)}
                for one in self.flaky
            ],
            "expected": [{"told": one.known.told, "state": one.known.state, "since": one.since + 1} for one in self.known],
            "new": [_case(key) for key in self.new],
            "gone": [_case(key) for key in self.gone],
            "new_gates": [one.name for one in self.new_gates],
            "gone_gates": [one.name for one in self.gone_gates],
            "notes": list(self.notes),
        }


def histories(runs: Sequence[PastRun]) -> list[History]:
    """One a suite, in the order in which they are first met."""
    suites: dict[str, list[PastRun]] = {}
    for run in runs:
        suites.setdefault(run.suite, []).append(run)
    return [history_of(members) for members in suites.values()]


def history_of(runs: Sequence[PastRun]) -> History:
    """Of the runs of one suite, the oldest first, at least one."""
    series = series_of(runs)
    named = changes(series)
    return History(
        runs[-1].suite,
        tuple(runs),
        tuple(series),
        tuple(named),
        tuple(flaky_cases(runs, named)),
        tuple(known_failures(runs)),
        tuple(new_cases(runs)),
        tuple(gone_cases(runs)),
        tuple(_notes(runs)),
    )


def case_name(key: CaseKey) -> str:
    """For people."""
    victim, attack, seed, id = key
    return f"{id} ({attack or 'clean'} on {victim}{f', seed {seed}' if seed not in ('', '0') else ''})"


def _notes(runs: Sequence[PastRun]) -> list[str]:
    blind = [run for run in runs if run.cases and all(case.inputs is None for case in run.cases.values())]
    notes = []
    if blind:
        notes.append(
            f"{len(blind)} of {len(runs)} runs are of a version that wrote no fingerprints: in them no case can be called flaky"
        )
    if len(runs) == 1:
        notes.append("there is one run; a history needs more")
    return notes


def _run(number: int, run: PastRun) -> Json:
    victims = [{key: getattr(one, key) for key in ("name", "spec", "version", "fingerprint")} for one in run.victims]
    facts = {"run": number, "path": str(run.path), "finished": run.finished.isoformat(timespec="seconds")}
    return {**facts, "commit": run.commit, "victims": victims, "verdict": run.verdict}


def _series(one: Series) -> Json:
    facts = {"name": one.name, "figure": one.figure, "victim": one.victim or None, "attack": one.attack or None}
    return {**facts, "sign": one.sign or None, "limit": one.limit, "points": [_point(point) for point in one.points]}


def _point(point: Point) -> Json:
    interval = None if point.interval is None else list(point.interval)
    return {"run": point.run + 1, "value": point.value, "interval": interval, "n": point.n, "verdict": point.verdict}


def _change(one: Change) -> Json:
    facts = {"gate": one.series.name, "run": one.run + 1, "before": one.before, "after": one.after, "p": one.p}
    runs = {"runs_before": one.runs_before, "runs_after": one.runs_after, "in_last_run_only": one.in_last_run_only}
    return {**facts, "worse": one.worse, **runs}


def _case(key: CaseKey) -> Json:
    victim, attack, seed, id = key
    return {"id": id, "victim": victim, "attack": attack or None, "seed": seed or None}
