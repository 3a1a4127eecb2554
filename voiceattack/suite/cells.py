"""The cells of a suite on disk: what of each is done, crafting and hearing the rest, and reading the results."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voiceattack.craft.run import craft
from voiceattack.evaluate.scoring import evaluate
from voiceattack.files import inside, read_bytes, write_whole, writing
from voiceattack.metrics import measure_texts
from voiceattack.metrics.terms import term_errors
from voiceattack.progress import Progress
from voiceattack.runs.provenance import canonical
from voiceattack.runs.run import Example, Run
from voiceattack.suite.fingerprint import fingerprint
from voiceattack.suite.plan import Cell
from voiceattack.suite.rounds import Earlier, Round
from voiceattack.suite.rounds import now as this_moment
from voiceattack.suite.samples import Kind, Sample
from voiceattack.suite.schema import Limits
from voiceattack.victims import Victim
from voiceattack.victims.trust import outside

__all__ = ["Budgeted", "LimitReached", "craft_cell", "hear_cell", "pending", "samples_of"]

STATE = "suite-state.json"
ADVICE = "make room or choose another --out"


class LimitReached(BaseException):
    """Stops crafting between two steps. No ``Exception``: what a victim raises is caught clip by clip, and this must not be."""


@dataclass
class Budgeted:
    """The suite's limits, asked at every sign of progress."""

    limits: Limits
    started: float = field(default_factory=time.monotonic)
    queries: int = 0
    here: Callable[[], int] = lambda: 0

    def progress(self, shown: Progress | None) -> Progress:
        """``shown``, which first looks at the limits.

        Raises:
            LimitReached: when called after one of them is passed.
        """
        last = -1

        def tell(done: int, total: int, label: str) -> None:
            nonlocal last
            if total and done >= total:
                return  # the last clip is finished
            if self.limits.seconds is not None and time.monotonic() - self.started > self.limits.seconds:
                raise LimitReached(f"the limit of {self.limits.seconds:g} seconds was reached")
            if self.limits.queries is not None and done != last and self.queries + self.here() >= self.limits.queries:
                raise LimitReached(f"the limit of {self.limits.queries} queries was reached")
            last = done
            if shown is not None:
                shown(done, total, label)

        return tell


def directory(out: Path, cell: Cell) -> Path:
    """Where its run lies."""
    return inside(out, f"cells/{cell.id}")


def pending(out: Path, cell: Cell) -> list[str]:
    """Ids of examples that are still to be crafted: not there, failed, their file lost, or cut off before their controls."""
    done = {example.id for example in _examples(out, cell) if example.error is None and _there(out, cell, example)}
    whole = set(_state(out, cell).get("crafted", []))  # what changed nothing has no control
    controls = cell.request.control and cell.request.attack != "noise"
    return [id for id in cell.ids if id not in done or (controls and id not in whole and f"{id}.noise" not in done)]


def craft_cell(
    out: Path,
    cell: Cell,
    victim: Victim,
    budgeted: Budgeted,
    on_progress: Progress | None,
    on_error: Callable[[str], None] | None,
) -> int:
    """Craft what is pending; how many examples that made.

    Raises:
        LimitReached: in the middle; what is finished is kept.
    """
    before = set(_state(out, cell).get("crafted", []))
    todo = pending(out, cell)
    clips = [item.utterance for item in cell.items]
    path = directory(out, cell)
    budgeted.here = lambda: sum(example.queries for example in _examples(out, cell) if example.id in todo)
    try:
        craft(cell.request, path, items=clips, victim=victim, on_progress=budgeted.progress(on_progress), on_error=on_error)
    finally:
        budgeted.queries += budgeted.here()
        budgeted.here = lambda: 0
    crafted = {example.id for example in _examples(out, cell) if example.error is None}
    _write_state(out, cell, crafted=sorted(before | (crafted & cell.ids.keys())))
    return len([id for id in todo if id in crafted])


def hear_cell(
    out: Path, cell: Cell, load: Callable[[str], Victim], during: Round, earlier: Earlier, on_progress: Progress | None
) -> bool:
    """Hear the artefacts through those listeners that have not heard exactly these in ``during``; whether that was needed."""
    run = Run.open(directory(out, cell))
    _renew_references(run, cell)
    examples = [[e.id, e.sha256, e.reference, e.error] for e in run.examples()]
    artefacts = hashlib.sha256(canonical({"examples": examples}).encode()).hexdigest()[:16]
    heard: dict[str, str] = dict(_state(out, cell).get("heard", {}))
    heard_at: dict[str, str] = dict(_state(out, cell).get("heard_at", {}))
    now = {v.hears_as: f"{fingerprint(v.spec, v.version)}-{artefacts}" for v in cell.listeners}
    specs = {v.hears_as: v.spec for v in cell.listeners}
    # A merge leaves the victim's part of the mark alone: each shard was heard by that victim, which the rows must show.
    merged = {spec for spec, mark in heard.items() if "-" not in mark and now.get(spec, "").startswith(f"{mark}-")}
    if merged and merged == {spec for spec in merged if _all_heard(run, spec)}:
        evaluate(run, [])
        heard |= {spec: now[spec] for spec in merged}
        _write_state(out, cell, heard=heard)
    there = run.resolve("results.jsonl").exists()
    valid = {v.hears_as for v in cell.listeners if there and during.holds(v, heard_at.get(v.hears_as))}
    failed = _failed(run, cell) if there else set()
    missing = [spec for spec, mark in now.items() if heard.get(spec) != mark or spec not in valid or spec in failed]
    if missing:
        evaluate(run, [load(specs[spec]) for spec in missing], on_progress=on_progress)
        at = this_moment()
        heard_at |= dict.fromkeys(missing, at)
        _write_state(out, cell, heard={**heard, **{spec: now[spec] for spec in missing}}, heard_at=heard_at)
    for spec in now:
        earlier.add(heard_at.get(spec), during.begun, len(examples))
    return bool(missing)


def _failed(run: Run, cell: Cell) -> set[str]:
    """The listeners outside this process that failed on an artefact: they may answer now, and what they answered is kept."""
    whole = {example.id for example in run.examples() if example.error is None}
    reached = {entry.hears_as for entry in cell.listeners if outside(entry.spec)}
    return reached & {row.victim for row in run.each_result() if row.failed and row.id in whole}


def _all_heard(run: Run, spec: str) -> bool:
    rows = {row.id for row in run.each_result() if row.victim == spec}
    return {example.id for example in run.examples()} <= rows


def samples_of(out: Path, cell: Cell, terms: Sequence[str] = ()) -> Iterator[Sample]:
    """What its listeners heard in the artefacts of the clips that are asked for now, with its critical terms counted."""
    names: dict[str, list[str]] = {}
    for listener in cell.listeners:
        names.setdefault(listener.hears_as, []).append(listener.name)
    ids = cell.ids
    rows = Run.open(directory(out, cell)).results()
    owners = {row.id: row.stage_of or row.id for row in rows if not row.is_control}
    for row in rows:
        clip = row.stage_of or owners.get(row.control_for or row.id, row.control_for)
        item = ids.get(str(clip))
        if item is None:
            continue
        if (wanted := (*terms, *item.terms)) and row.hypothesis is not None and row.critical_terms is None:
            missed, said = term_errors(row.reference or "", row.hypothesis, wanted, row.language)
            values, _ = measure_texts("terms", row.reference or "", row.hypothesis, wanted, row.language)
            row = row.model_copy(update={"critical_term_errors": missed, "critical_terms": said, **values})
        kind: Kind = "control" if row.is_control else "attack"
        for name in names.get(row.victim, []):
            entry = cell.variant.entry
            yield Sample(kind, name, cell.variant.label, entry.name, entry.attack, cell.seed, item.tags, cell.id, str(clip), row)


def _renew_references(run: Run, cell: Cell) -> None:
    """A text corrected in the manifest counts at once; the artefact does not depend on it."""
    ids = cell.ids
    for example in run.examples():
        item = ids.get(str(example.stage_of or example.id).removesuffix(".noise"))
        item = item or ids.get(str(example.control_for))
        if item is not None and example.reference != item.text:
            run.append(example.model_copy(update={"reference": item.text}))


def _examples(out: Path, cell: Cell) -> list[Example]:
    path = directory(out, cell)
    return Run.open(path).examples() if (path / "run.json").exists() else []


def _there(out: Path, cell: Cell, example: Example) -> bool:
    return example.audio is not None and inside(directory(out, cell), example.audio).exists()


def _state(out: Path, cell: Cell) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads(read_bytes(inside(directory(out, cell), STATE)))
        return state
    except (OSError, ValueError):
        return {}  # nothing is known to be done: it is looked at again


def _write_state(out: Path, cell: Cell, **changes: Any) -> None:
    path = inside(directory(out, cell), STATE)
    with writing(path, ADVICE):
        write_whole(path, (json.dumps({**_state(out, cell), **changes}, indent=1) + "\n").encode())
