"""Run a suite: craft and hear what is not there yet, judge the gates, keep the outcome."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from voiceattack.errors import CorpusError, RunError, SpecError
from voiceattack.files import inside, write_whole, writing
from voiceattack.locks import LOCK_FILE, locked, locking
from voiceattack.metrics.terms import unsaid_notes
from voiceattack.progress import Progress
from voiceattack.report import FORMATS as REPORTS
from voiceattack.runs.records import unit_notes
from voiceattack.suite.cells import Budgeted, LimitReached, craft_cell, hear_cell, pending, samples_of
from voiceattack.suite.fingerprint import fingerprint
from voiceattack.suite.gates import Gate, Judgement, judge, parse_gate
from voiceattack.suite.hearing import hear_clean
from voiceattack.suite.inputs import SuiteClip, gather, shard
from voiceattack.suite.known import Known, check_expected, excuse_clips, excuse_gates
from voiceattack.suite.plan import Cell, plan
from voiceattack.suite.rounds import Earlier, Round, renews
from voiceattack.suite.samples import Sample, of_kind
from voiceattack.suite.schema import Suite, VictimEntry
from voiceattack.victims import Victim, load_victim
from voiceattack.victims.trust import NOBODY, Trust
from voiceattack.victims.wrappers.cache import remembering

__all__ = ["Outcome", "Teller", "execute", "prune_cells", "stale_cells"]

MARK = "suite-run.json"
REMAINS = (f".{MARK}.part", LOCK_FILE)
"""What a process that was killed as it began may have left."""


@dataclass
class Teller:
    """How :func:`execute` tells what it does: a bar's callback for each task, and lines for errors."""

    on_task: Callable[[str], Progress | None] = lambda task: None
    on_error: Callable[[str], None] | None = None


@dataclass
class Outcome:
    """What a run of a suite found.

    Attributes:
        suite, out: what was asked, and the run directory.
        items: the clips, unusable ones with their error.
        cells: what was crafted and heard.
        samples: everything heard.
        judgements: every gate on every group.
        crafted, reused: examples made now, and found from before.
        heard: clean clips heard now.
        seconds: of this call.
        incomplete: what was not finished, one line each.
        stale: cells that this suite no longer asks for.
        part: (i, n) of a shard, whose gates are not judged.
        known: what became of the suite's known failures.
        earlier: how many of the answers are of an earlier run.
        resumed: when the run began that this one went on with; empty for one of its own.
        silent: victims that heard none of the clean clips, by name, with the reason.
        of_old: how many artefacts were crafted in an earlier run, by the victim they were crafted on that is heard anew.
    """

    suite: Suite
    out: Path
    items: list[SuiteClip]
    cells: list[Cell]
    samples: list[Sample] = field(default_factory=list)
    judgements: list[Judgement] = field(default_factory=list)
    crafted: int = 0
    reused: int = 0
    heard: int = 0
    seconds: float = 0.0
    incomplete: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    part: tuple[int, int] | None = None
    known: list[Known] = field(default_factory=list)
    earlier: Earlier = field(default_factory=Earlier)
    resumed: str = ""
    silent: dict[str, str] = field(default_factory=dict)
    of_old: Counter[str] = field(default_factory=Counter)

    @property
    def hints(self) -> list[str]:
        """Gates that look turned round, and critical terms that nobody says."""
        hints = {str(one.gate): one.gate.hint for one in self.judgements if one.gate.hint}
        own = {example: item.terms for cell in self.cells for example, item in cell.ids.items()}
        attacked = [(sample.clip, sample.row.reference, sample.row.language) for sample in of_kind(self.samples, "attack")]
        unsaid = unsaid_notes(attacked, self.suite.critical_terms, own) if self.part is None else []
        units = unit_notes((sample.row.victim, sample.row.language) for sample in self.samples)
        once = ["repeat: the clean clips were heard once, not once a seed"] if self.suite.repeat > 1 and self.part is None else []
        went_on = (
            [f"this went on with the run begun at {self.resumed[:16]}Z; its answers count as this run's"] if self.resumed else []
        )
        of_earlier = [str(self.earlier)] if self.earlier.answers else []
        of_old = [
            f"{count} {'artefact was' if count == 1 else 'artefacts were'} crafted in an earlier run, on what {spec} was then; "
            "a new 'version' crafts them anew"
            for spec, count in self.of_old.items()
        ]
        return [
            *(f"gate '{gate}': {hint}" for gate, hint in hints.items()),
            *unsaid,
            *units,
            *once,
            *went_on,
            *of_earlier,
            *of_old,
        ]

    @property
    def exit_code(self) -> int:
        """0 when all gates hold, 1 when one failed (or is unreliable) or a known failure has expired, 2 when one could not be
        judged, a victim heard nothing, or a shard is cut."""
        verdicts = [one.verdict for one in self.judgements]
        expired = any(known.state == "expired" for known in self.known)
        if "failed" in verdicts or expired or ("unreliable" in verdicts and self.suite.unreliable == "fail"):
            return 1
        return 2 if "error" in verdicts or self.incomplete or self.silent else 0


@locking("out")
def execute(
    suite: Suite,
    folder: Path,
    out: Path,
    *,
    part: tuple[int, int] | None = None,
    device: str | None = None,
    tell: Teller | None = None,
    work: bool = True,
    trust: Trust = NOBODY,
) -> Outcome:
    """Do what is not done yet, then judge.

    Args:
        suite: what is asked.
        folder: where its relative paths start.
        out: the run directory of the suite.
        part: (i, n): only every n-th clip beginning with the i-th; gates are then left to ``merge``.
        device: where to load victims.
        tell: how to show progress.
        work: False judges what lies there and crafts and hears nothing (after a merge).
        trust: which of the suite's victims may be loaded though they run programs or send to servers.

    Raises:
        TrustError: the suite names a victim that reaches out of this process, and nobody vouches for it; nothing is written.
        CorpusError: there is no usable clip.
        RunError: another process works on the directory, or it cannot be written.
        VoiceAttackError: an attack, parameter, gate, victim or path is wrong.
    """
    started = time.monotonic()
    tell = tell or Teller()
    gates = [parse_gate(entry, suite.min_clips) for entry in suite.gates]
    for name in suite.reports:
        REPORTS.entry(name)
    if work:
        trust.check(suite.specs, f"suite {suite.name!r}")
    _claim(out)
    items = gather(suite, folder, out)
    check_expected(suite, items, gates)
    if part is not None:
        items = shard(items, *part)
    for item in items:
        if item.error is not None and tell.on_error is not None:
            tell.on_error(f"{item.shown}: {item.error}")
    usable = [item for item in items if item.error is None]
    if not usable:
        reason = items[0].error if items else "this shard is empty; use fewer shards" if part else "no audio found"
        raise CorpusError(f"none of the suite's inputs can be used: {reason}")
    during = Round.begin(out) if work else Round(out, "")
    outcome = Outcome(suite, out, items, plan(suite, items), part=part, resumed=during.begun if during.resumed else "")
    victims: dict[str, Victim] = {}

    def load(spec: str) -> Victim:
        if not work:
            raise RunError(f"{out}: victim {spec} has not heard everything; run the missing shard, then merge again")
        if spec not in victims:
            loaded = load_victim(spec, device)
            entry = _entry(suite, spec)
            mark = fingerprint(spec, entry.version)
            kept = during.answers(mark, renewed=renews(entry)) if loaded.costly else None
            victims[spec] = remembering(loaded, kept)
        return victims[spec]

    outcome.samples += _clean(outcome, usable, load, during, tell)
    outcome.stale = stale_cells(out, outcome.cells)
    outcome.cells = _audible(outcome)
    budgeted = Budgeted(suite.limits)
    for place, cell in enumerate(outcome.cells, 1):
        outcome.samples += _cell(outcome, cell, load, budgeted, during, tell, f"{place} of {len(outcome.cells)}: ")
    if part is None:
        _judge(outcome, gates)
    if work and not outcome.incomplete:
        during.wait() if outcome.silent else during.finish()
    outcome.seconds = time.monotonic() - started
    return outcome


def _entry(suite: Suite, spec: str) -> VictimEntry:
    """The suite's last victim of that spec, whose version counts; one of its own for a spec that attacks are crafted on alone."""
    found = [entry for entry in suite.victims if entry.spec == spec]
    return found[-1] if found else VictimEntry.model_validate(spec)


def _judge(outcome: Outcome, gates: Sequence[Gate]) -> None:
    """Every gate on every group, known failures apart."""
    today = date.today()
    left, of_clips = excuse_clips(outcome.suite, outcome.items, outcome.cells, outcome.samples, today)
    told = [one for gate in gates for one in judge(gate, left, outcome.suite.seeds, _missing(outcome, gate), outcome.silent)]
    outcome.judgements, of_gates = excuse_gates(outcome.suite, told, today)
    outcome.known = [*of_clips, *of_gates]


def _clean(
    outcome: Outcome, items: Sequence[SuiteClip], load: Callable[[str], Victim], during: Round, tell: Teller
) -> list[Sample]:
    found = []
    for entry in outcome.suite.victims:
        task = tell.on_task(f"hearing clean clips ({entry.name})")
        rows, new = hear_clean(outcome.out, entry, items, load, during, outcome.earlier, task)
        outcome.heard += new
        if all(row.failed for _, row in rows):
            outcome.silent[entry.name] = str(rows[0][1].error)
            if tell.on_error is not None:
                tell.on_error(f"{entry.name} heard none of the clean clips, so nothing is crafted for it: {rows[0][1].error}")
        for item, row in rows:
            kind: Any = "clean" if item.speech else "no-speech"
            found.append(Sample(kind, entry.name, "", "", "", None, item.tags, "", row.id, row))
    return found


def _audible(outcome: Outcome) -> list[Cell]:
    """The cells without listeners that heard nothing even when clean; none of which nobody is left, or whose source is one."""
    deaf = {entry.spec for entry in outcome.suite.victims if entry.name in outcome.silent}
    kept = []
    for cell in outcome.cells:
        listeners = tuple(entry for entry in cell.listeners if entry.name not in outcome.silent)
        if listeners and cell.source not in deaf:
            kept.append(replace(cell, listeners=listeners))
    return kept


def _cell(
    outcome: Outcome,
    cell: Cell,
    load: Callable[[str], Victim],
    budgeted: Budgeted,
    during: Round,
    tell: Teller,
    place: str,
) -> list[Sample]:
    label = f"{cell.variant.label} on {cell.source}" + (f", seed {cell.seed}" if outcome.suite.repeat > 1 else "")
    todo = pending(outcome.out, cell)
    outcome.reused += (reused := len(cell.ids) - len(todo))
    if reused and during.begun and not during.resumed and renews(_entry(outcome.suite, cell.source)):
        outcome.of_old[cell.source] += reused
    if todo:
        victim = load(cell.source)
        try:
            if outcome.incomplete:
                raise LimitReached(outcome.incomplete[0].partition(": ")[2])
            task = tell.on_task(f"crafting {place}{label}")
            outcome.crafted += craft_cell(outcome.out, cell, victim, budgeted, task, tell.on_error)
        except LimitReached as reached:
            outcome.incomplete.append(f"{label}: {reached}")
            return []
    heard_by = ", ".join(entry.name for entry in cell.listeners)
    hear_cell(outcome.out, cell, load, during, outcome.earlier, tell.on_task(f"hearing {place}{label} ({heard_by})"))
    return list(samples_of(outcome.out, cell, outcome.suite.critical_terms))


def _missing(outcome: Outcome, gate: Gate) -> list[str]:
    """What was not finished; a gate on clean clips alone does not mind."""
    from voiceattack.suite.gate_metrics import all_figures

    return outcome.incomplete if all_figures()[gate.bound.name].about == "attack" else []


def stale_cells(out: Path, cells: Sequence[Cell]) -> list[str]:
    """Ids of cells on disk that are not asked for any more."""
    folder = inside(out, "cells")
    wanted = {cell.id for cell in cells}
    return sorted(path.name for path in folder.iterdir() if path.name not in wanted) if folder.is_dir() else []


def prune_cells(outcome: Outcome) -> None:
    """Delete the cells that the suite no longer asks for; raises RunError when one cannot be."""
    for name in outcome.stale:
        path = inside(outcome.out, f"cells/{name}")
        with locked(path), writing(path, "delete it by hand"):
            shutil.rmtree(path)
    outcome.stale = []


def _claim(out: Path) -> None:
    """Make the directory, or see that it is one of ours.

    Raises:
        RunError: it holds something else, or cannot be written.
    """
    with writing(out, "choose another --out"):
        if (out / MARK).exists():
            inside(out, MARK)
            return
        if out.is_dir() and (others := sorted(item.name for item in out.iterdir() if item.name not in REMAINS)):
            raise RunError(f"{out}: holds other files ({others[0]}) and is no suite's run; choose a new or an empty --out")
        if out.exists() and not out.is_dir():
            raise SpecError(f"{out}: is a file; choose another --out")
        write_whole(inside(out, MARK), (json.dumps({"format": 1, "what": "run of a voiceattack suite"}) + "\n").encode())
