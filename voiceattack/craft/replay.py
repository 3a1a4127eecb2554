"""Replay: craft one example again from its recipe, and compare the bytes."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voiceattack.attacks import build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.attacks.options import SearchOptions
from voiceattack.audio import clips as audio
from voiceattack.constraints import Budget
from voiceattack.corpus import Utterance
from voiceattack.craft.clips import craft_clips
from voiceattack.errors import RunError
from voiceattack.objectives import Objective
from voiceattack.progress import Progress
from voiceattack.runs.checks import recipe_of
from voiceattack.runs.record_types import RecordError
from voiceattack.runs.run import Example, Run, adversarial_comment, environment
from voiceattack.victims import Victim, load_victim
from voiceattack.victims.trust import NOBODY, Trust, specs_in

__all__ = ["Replay", "replay"]


@dataclass(frozen=True)
class Replay:
    """What came of it: SHA-256 of the recorded file and of the one crafted now, and versions that differ as (then, now)."""

    id: str
    same: bool
    expected: str
    got: str
    differing_versions: dict[str, tuple[str, str]]


def replay(
    run: Run,
    id: str,
    victim: Victim | None = None,
    *,
    trust: Trust = NOBODY,
    device: str | None = None,
    on_progress: Progress | None = None,
) -> Replay:
    """Craft example ``id`` of ``run`` again, with whatever shared its batch, and compare digests. Writes nothing in the run.

    Args:
        run: that holds it.
        id: of the example.
        victim: to craft on; None loads the one that its recipe names.
        trust: which of the victims that its recipe names, surrogates among them, may reach out of this process.
        device: where to load it, None for CUDA when there.
        on_progress: called with (steps done, steps in all, id).

    Raises:
        TrustError: its recipe names a victim that runs a program or sends to a server, and nobody vouches for it.
        RunError: no such example, it has no artefact, or its clean clip is gone or changed.
        VictimError: its victim cannot be loaded.
    """
    examples = {example.id: example for example in run.examples()}
    example = _example(examples, id, run)
    if example.error is not None or example.sha256 is None:
        raise RunError(f"{id}: crafting it failed ({example.error}), so there is nothing to compare with")
    recipe = _recipe(run, example)
    batch = [_example(examples, member, run) for member in recipe["batch"]]
    trust.check(specs_in(recipe if victim is None else {**recipe, "victim": None}), run.path / run.RECORDS)
    victim = load_victim(recipe["victim"], device) if victim is None else victim
    attack = build_attack(recipe["attack"], **recipe["params"])
    clips = {str(member.clean_audio) for member in examples.values() if member.clean_audio}
    attack.set_corpus([Utterance(run.resolve(path), None, Path(path).stem) for path in sorted(clips)], recipe.get("draws", {}))
    objective = Objective(recipe["objective"], recipe["target"], recipe["wer_threshold"])
    results = craft_clips(
        victim,
        attack,
        [_clean(run, member) for member in batch],
        [member.clean_hypothesis or "" for member in batch],
        objective,
        Budget(**recipe["budget"]),
        [member.seed for member in batch],
        None if on_progress is None else lambda done, total: on_progress(done, total, id),
        SearchOptions.read(recipe),
    )
    stage = example.stage_of is not None and example.control_for is None
    result = results[[member.id for member in batch].index(str(example.stage_of) if stage else id)]
    if not isinstance(result, Crafted):
        raise RunError(f"{id}: crafting it again failed: {result}") from result
    waveform = dict(result.stages).get(recipe["stage_snr_db"]) if stage else result.waveform
    if waveform is None:
        raise RunError(f"{id}: this time the search met nothing at {recipe['stage_snr_db']:g} dB")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(str(example.audio)).name
        audio.save(path, waveform, comment=adversarial_comment(run.id, example.source_sha256))
        got = audio.file_sha256(path)
    differing = _differing(recipe["versions"], environment()["versions"])
    return Replay(id, got == example.sha256, example.sha256, got, differing)


def _recipe(run: Run, example: Example) -> Mapping[str, Any]:
    try:
        return recipe_of(example.recipe)
    except RecordError as error:
        where = run.path / "examples.jsonl"
        raise RunError(f"{where}: the recipe of {example.id} was edited ({error}); delete its line to craft it again") from error


def _example(examples: dict[str, Example], id: str, run: Run) -> Example:
    if id not in examples:
        raise RunError(f"{run.path} has no example {id!r}; its ids are in {run.path / 'examples.jsonl'}")
    return examples[id]


def _clean(run: Run, example: Example) -> Any:
    path = run.resolve(str(example.clean_audio))
    waveform = audio.load(path)
    if audio.pcm_sha256(waveform) != example.recipe["pcm_sha256"]:
        raise RunError(f"{path} has changed since {example.id} was crafted; restore it")
    return waveform


def _differing(then: dict[str, Any], now: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {name: (str(then[name]), str(now.get(name))) for name in sorted(then) if then[name] != now.get(name)}
