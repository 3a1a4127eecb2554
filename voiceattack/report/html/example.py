"""What the HTML report loads when an example is opened: its sounds, what was heard with its alignment, its masking curve."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from voiceattack.audio import clips as audio
from voiceattack.errors import AudioError, RunError
from voiceattack.files import read_bytes
from voiceattack.metrics import columns
from voiceattack.objectives import wanted
from voiceattack.report.alignment import align
from voiceattack.report.commands import replay_command, run_name
from voiceattack.report.console import number
from voiceattack.report.masking_curve import masking_curve
from voiceattack.runs.records import Result
from voiceattack.runs.run import Run

__all__ = ["example_data"]

CURVE_POINTS = 128


def example_data(run: Run, source: str, heard: Sequence[Result], controls: Sequence[Result]) -> dict[str, Any]:
    """One example, JSON-safe.

    Args:
        run: whose files are read.
        source: the file it was made from, as the user gave it.
        heard: its rows of results.jsonl, one a victim.
        controls: the rows of its noise control.
    """
    first = heard[0]
    data: dict[str, Any] = {
        "id": first.id,
        "source": source,
        "attack": first.attack,
        "goal": f"to {wanted(first.objective, first.target)}",
        "reference": first.reference,
        "no_reference": not first.has_reference,
        "heard": [_heard(row, controls) for row in heard],
        "facts": _corruption(first) + _measured(first),
        "nulls": [f"{name}: {reason}" for name, reason in first.nulls.items()],
        "cost": f"{first.steps} steps, {first.queries} queries, {first.seconds:.1f} s, seed {first.seed}",
        "sha256": first.sha256,
        "warnings": first.warnings,
        "replay": replay_command(run_name(run), first),
        "error": first.error,
        **_sounds(run, first, controls),
    }
    return data


def _corruption(row: Result) -> list[tuple[str, str, str]]:
    """What a corruption's severity stands for, and what was drawn."""
    drawn = row.recipe.get("draws", {})
    if "value" not in drawn:
        return []
    rest = {name: value for name, value in drawn.items() if name not in ("value", "unit", "random")}
    facts = [("severity", f"{row.params.get('severity')}: {drawn['value']:g} {drawn['unit']}", "")]
    return facts + ([("drawn", ", ".join(f"{name} {value}" for name, value in rest.items()), "")] if rest else [])


def _measured(row: Result) -> list[tuple[str, str, str]]:
    """Each metric's name, its value for people, and what it means."""
    shown = [(metric, row.value(metric.name)) for metric in columns("facts")]
    return [
        (metric.label, f"{number(value, metric.digits_in('facts'))} {metric.unit}".strip(), metric.meaning)
        for metric, value in shown
        if value is not None
    ]


def _heard(row: Result, controls: Sequence[Result]) -> dict[str, Any]:
    """What one victim heard of the clean file, the adversarial one and the noise, each aligned with what was said."""
    control = next((other for other in controls if other.victim == row.victim), None)
    words_said = row.normalized_reference
    versions = [
        ("adversarial", row.hypothesis, row.normalized_hypothesis, row.wer),
        ("clean", row.clean_hypothesis, row.normalized_clean_hypothesis, row.wer_clean),
    ]
    if control is not None:
        versions.append(("noise, same SNR", control.hypothesis, control.normalized_hypothesis, control.wer))
    return {
        "victim": row.victim,
        "attacked": row.victim == row.source_victim,
        "outcome": row.outcome,
        "error": row.error,
        "versions": [
            {"name": name, "text": text, "wer": number(wer), "diff": align(words_said, words)}
            for name, text, words, wer in versions
            if text is not None and words is not None
        ],
    }


def _sounds(run: Run, row: Result, controls: Sequence[Result]) -> dict[str, Any]:
    """The files whole, as base64, and the masking curve; or ``problem``."""
    files = {"clean": row.clean_audio, "adversarial": row.audio, "noise": controls[0].audio if controls else None}
    if not files["clean"] or not files["adversarial"]:
        return {"sounds": {}, "problem": "nothing was crafted"}
    try:
        paths = {name: run.resolve(path) for name, path in files.items() if path}
        clean, adversarial = (audio.load(paths[name]) for name in ("clean", "adversarial"))
        sounds = {name: base64.b64encode(read_bytes(path)).decode("ascii") for name, path in paths.items()}
    except (AudioError, RunError, OSError) as error:
        return {"sounds": {}, "problem": f"the sound cannot be shown: {error}"}
    if len(clean) != len(adversarial):  # no perturbation is defined, so neither is what the speech hides of it
        return {"sounds": sounds, "masking": None, "problem": None}
    shared = len(clean)
    # A second is enough for a picture and takes a tenth of a second; a thousand examples are to be drawn.
    start = _loudest_second(clean[:shared])
    part = slice(start, min(shared, start + audio.SAMPLE_RATE))
    found = masking_curve(clean[part], adversarial[part] - clean[part])
    step = -(-len(found.kilohertz) // CURVE_POINTS)
    curve = {
        name: [round(float(value), 2) for value in getattr(found, name)[::step]]
        for name in ("kilohertz", "speech", "threshold", "perturbation")
    }
    return {"sounds": sounds, "masking": {**curve, "excess_db": number(row.value("masking_excess_db"), 2)}, "problem": None}


def _loudest_second(wave: Tensor) -> int:
    """Where the second of most energy begins, in samples, to a tenth of a second."""
    step = audio.SAMPLE_RATE // 10
    energy = torch.nn.functional.pad(wave.double().square(), (0, -len(wave) % step)).reshape(-1, step).sum(dim=1)
    return int(energy.unfold(0, min(10, len(energy)), 1).sum(dim=1).argmax()) * step
