"""The outcome of a suite as one JSON object: ``summary.json``, of which reports are written and which is a baseline itself."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any

from voiceattack.runs.provenance import environment, project_commit
from voiceattack.runs.records import Result
from voiceattack.suite.execute import Outcome
from voiceattack.suite.figures import Figure
from voiceattack.suite.fingerprint import fingerprint
from voiceattack.suite.gates import Judgement
from voiceattack.suite.known import Known
from voiceattack.suite.plan import Cell
from voiceattack.suite.samples import Sample, of_kind
from voiceattack.suite.schema import VictimEntry

__all__ = ["record"]

Json = dict[str, Any]
VERDICTS = {0: "passed", 1: "failed", 2: "error"}


def record(outcome: Outcome) -> Json:
    """What is JSON-safe of an outcome.

    ``suite, verdict, exit_code, seeds, shard, gates, counts, hints, incomplete, expected, silent, earlier, cells, stale,
    unusable, examples, clean, made_with``, and what places it among others: ``finished`` (UTC), ``commit`` of the project that
    was tested, ``victims``.
    """
    suite = outcome.suite
    attacked = [sample for sample in of_kind(outcome.samples, "attack") if sample.final]
    heard = [sample for sample in outcome.samples if sample.kind in ("clean", "no-speech")]
    return {
        "format": "voiceattack suite summary 1",
        "suite": suite.name,
        "verdict": VERDICTS[outcome.exit_code],
        "exit_code": outcome.exit_code,
        "seeds": suite.seeds,
        "shard": None if outcome.part is None else "{}/{}".format(*outcome.part),
        "gates": [_judgement(one) for one in outcome.judgements],
        "counts": {
            "clips": len([item for item in outcome.items if item.error is None]),
            "crafted": outcome.crafted,
            "reused": outcome.reused,
            "heard_clean": outcome.heard,
            "seconds": round(outcome.seconds, 3),
            "steps": sum(sample.result.steps for sample in attacked),
            "queries": sum(sample.result.queries for sample in attacked),
        },
        "hints": outcome.hints,
        "incomplete": outcome.incomplete,
        "expected": [_known(one) for one in outcome.known],
        "silent": outcome.silent,
        "earlier": outcome.earlier.as_dict(),
        "cells": [_cell(cell) for cell in outcome.cells],
        "stale": outcome.stale,
        "unusable": [{"input": item.shown, "error": item.error} for item in outcome.items if item.error is not None],
        "examples": [_example(sample) for sample in attacked],
        "clean": [_clean(sample) for sample in heard],
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": project_commit(),
        "victims": [_victim(entry) for entry in suite.victims],
        "made_with": {key: value for key, value in environment().items() if key in ("versions", "platform", "normalizer")},
    }


def _known(one: Known) -> Json:
    """One known failure and what became of it; the day as ISO 8601."""
    entry = one.entry.model_dump(mode="json", exclude={"outcome"})
    shown = {**entry, "outcome": one.entry.expects, "state": one.state, "told": str(one)}
    return {**shown, "clips": [_against(sample) for sample in one.samples]}


def _cell(cell: Cell) -> Json:
    heard_by = [entry.name for entry in cell.listeners]
    facts = {"id": cell.id, "attack": cell.variant.label, "crafted_on": cell.source, "heard_by": heard_by}
    return {**facts, "seed": cell.seed, "clips": len(cell.items)}


def _victim(entry: VictimEntry) -> Json:
    """Who listened; the same fingerprint hears alike, as far as can be seen from here."""
    mark = fingerprint(entry.spec, entry.version)
    return {"name": entry.name, "spec": entry.spec, "version": entry.version or None, "fingerprint": mark}


def _judgement(one: Judgement) -> Json:
    gate = one.gate
    return {
        "name": one.name,
        "gate": str(gate),
        "figure": gate.bound.name,
        "decides": gate.decides,
        "victim": one.victim or None,
        "attack": one.attack or None,
        "tag": gate.entry.tag,
        "verdict": one.verdict,
        "reason": one.reason,
        "value": _finite(one.figure.value),
        "interval": None if one.figure.interval is None else [_finite(end) for end in one.figure.interval],
        "n": one.figure.n,
        "seeds": [_figure(figure, verdict) for figure, verdict in zip(one.figures, one.verdicts, strict=True)],
        "worst": None if one.figure.worst is None else _against(one.figure.worst),
        "clips": [_against(sample) for sample in one.figure.against],
    }


def _figure(figure: Figure, verdict: str) -> Json:
    interval = None if figure.interval is None else [_finite(end) for end in figure.interval]
    return {"value": _finite(figure.value), "interval": interval, "n": figure.n, "verdict": verdict, "note": figure.note}


def _finite(value: float | None) -> float | None:
    """JSON has no infinity: "never fooled" is null, and the reason says it."""
    return None if value is None or not math.isfinite(value) else value


def _against(sample: Sample) -> Json:
    """What a reader must know of a sample that speaks against the victim."""
    row = sample.row
    result = row if isinstance(row, Result) else None
    return {
        "id": sample.id,
        "victim": sample.victim,
        "attack": sample.attack or None,
        "said": row.reference,
        "heard_clean": row.hypothesis if result is None else result.clean_hypothesis,
        "heard": row.hypothesis,
        **({"reference_action": result.reference_action, "action": result.action} if result and result.acted else {}),
        "snr_db": sample.snr_db,
        "wer": row.wer,
        "file": sample.file,
        **({"error": row.error} if row.failed else {}),
    }


def _example(sample: Sample) -> Json:
    result = sample.result
    names = {"victim": sample.victim, "attack": sample.attack, "spec": result.victim}
    texts = {name: getattr(result, name) for name in ("reference", "clean_hypothesis", "wer_clean", "wer", "error")}
    facts = {"seed": sample.seed, "seconds": result.seconds, "tags": sorted(sample.tags), "file": sample.file}
    return {**result.baseline_entry(), **texts, **names, **facts, "cell": sample.cell}


def _clean(sample: Sample) -> Json:
    keys = ("id", "reference", "hypothesis", "words", "wer", "audio_seconds", "seconds", "error", "wake_ups")
    return {
        **{key: getattr(sample.heard, key) for key in keys},
        "kind": sample.kind,
        "victim": sample.victim,
        "tags": sorted(sample.tags),
        "file": sample.file,
    }
