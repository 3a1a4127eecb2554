"""What stands beside a suite's run on its page: the baseline, and earlier runs. Neither decides anything here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voiceattack.compare.baseline import DEFAULT_BASELINE
from voiceattack.compare.judged import Judged, judge
from voiceattack.compare.rules import rules_of
from voiceattack.compare.snapshots import load_snapshot
from voiceattack.errors import RunError, VoiceAttackError
from voiceattack.files import inside
from voiceattack.history.gather import read_runs
from voiceattack.history.past import PastRun, read_past_run
from voiceattack.suite.earlier import EARLIER

__all__ = ["Beside", "Named", "beside"]


@dataclass(frozen=True)
class Named:
    """What the user names to stand beside a run.

    Attributes:
        baseline: a run or what ``voiceattack bless`` wrote; None takes ``voiceattack-baseline.json``, where there is one.
        folders: where to look for that: the suite's folder, the current one.
        history: folders, files and patterns of earlier runs; empty takes what the run directory kept of its own.
    """

    baseline: Path | None = None
    folders: tuple[Path, ...] = (Path(),)
    history: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Beside:
    """What was found: the run beside the baseline, the runs before it with itself at the end, and what could not be read."""

    since: Judged | None = None
    past: tuple[PastRun, ...] = ()
    notes: tuple[str, ...] = ()


def beside(out: Path, named: Named) -> Beside:
    """Read it; the run's own summary.json lies in ``out`` already.

    Raises:
        RunError: a baseline or history that the user names is not there, or cannot be read.
    """
    notes: list[str] = []
    since = _since(out, named, notes)
    return Beside(since, tuple(_past(out, named, notes)), tuple(notes))


def _since(out: Path, named: Named, notes: list[str]) -> Judged | None:
    if named.baseline is not None and not named.baseline.exists():
        raise RunError(f"{named.baseline}: no such baseline; make one of a run: voiceattack bless RUN")
    found = named.baseline or next((path for folder in named.folders if (path := folder / DEFAULT_BASELINE).is_file()), None)
    if found is None:
        return None
    try:
        return judge(load_snapshot(found), load_snapshot(out), rules_of(()))
    except VoiceAttackError as error:
        if named.baseline is not None:
            raise
        notes.append(f"the baseline is left out: {error}")
        return None


def _past(out: Path, named: Named, notes: list[str]) -> Sequence[PastRun]:
    own = read_past_run(inside(out, "summary.json"))
    folder = inside(out, EARLIER)
    given: list[Path] = list(named.history) or ([folder] if folder.is_dir() and any(folder.iterdir()) else [])
    if not given:
        return [own]
    try:
        runs, unread = read_runs(given)
    except RunError:
        if named.history:
            raise
        return [own]
    notes.extend(unread)
    before = [run for run in runs if run.suite == own.suite and run.finished < own.finished]
    return [*before, own]
