"""Craft: corpus in; adversarial artefacts, their noise controls and one durable line each out. Resumes where it stopped."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from voiceattack.corpus import BadItem, Utterance, read_corpus
from voiceattack.craft.clips import craft_clips
from voiceattack.craft.job import Job
from voiceattack.craft.pipeline import craft_items
from voiceattack.craft.request import AttackRequest
from voiceattack.errors import CorpusError
from voiceattack.locks import locking
from voiceattack.progress import Progress
from voiceattack.runs.run import Run
from voiceattack.victims import Victim, load_victim
from voiceattack.victims.wrappers.cache import RememberingVictim, remembering

__all__ = ["AttackRequest", "craft", "craft_clips", "other_clips"]


@locking("out")
def craft(
    request: AttackRequest,
    out: str | Path,
    *,
    items: Sequence[Utterance | BadItem] | None = None,
    victim: Victim | None = None,
    device: str | None = None,
    keep_answers: bool = True,
    on_progress: Progress | None = None,
    on_error: Callable[[str], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Run:
    """Attack every input; an item that fails costs itself alone and stays in the run as an example with ``error`` set.

    Resumed, finished examples are kept as they are and failed ones tried again.

    Args:
        request: what is asked.
        out: the run directory; one that holds the same request is resumed.
        items: the inputs, already read; None reads ``request.inputs``.
        victim: ``request.victim``, already loaded; None loads it.
        device: where to load it, None for CUDA when there.
        keep_answers: whether what a server or program answers is kept in the run, ``queries.sqlite``, so that a run that was
            cut off asks nothing twice when resumed; see :mod:`voiceattack.victims.wrappers.cache`.
        on_progress: called with (gradient steps done, gradient steps at most, the clip at hand and how it went so far).
        on_error: called with one line for each item that failed.
        on_note: called with one line on what was asked of a victim whose answers are kept.

    Raises:
        CorpusError: there is no input at all.
        SpecError, AttackError, TargetError, VictimError: the request cannot work on any input; nothing is written.
        RunError: ``out`` holds another request, is being written by another process, or cannot be written (full disk). What was
            finished is kept.
    """
    attack, objective, budget = request.build()
    items = list(read_corpus(request.inputs)) if items is None else items
    if not items:
        raise CorpusError(f"no audio found in {', '.join(request.inputs)}; give audio files, folders or manifests")
    victim = load_victim(request.victim, device) if victim is None else victim
    attack.check(victim, objective, budget)
    run = Run.create(out, request.identity())
    run.resolve("original")  # a link that leads out is told once, not for each clip
    for used in (victim, attack.steps_on(victim)):
        run.note_victim(used.spec, used.describe())
    if keep_answers and victim.costly:
        victim = remembering(victim, run.path)
    job = Job(request, run, victim, attack, objective, budget, len(items), on_progress, on_error)
    job.recorded = {example.id: example for example in run.examples()}
    attack.set_corpus([item for item in items if isinstance(item, Utterance)])
    craft_items(job, items)
    if isinstance(victim, RememberingVictim) and on_note is not None:
        on_note(victim.told())
    return run


def other_clips(out: Path, items: Sequence[Utterance | BadItem]) -> int:
    """How many clips a run directory holds that are not among ``items``, by where they lie; 0 where there is no run yet.

    Raises:
        RunError: the run there is damaged.
    """
    if not (out / "run.json").exists():
        return 0
    asked = {os.path.realpath(item.where if isinstance(item, BadItem) else item.place) for item in items}
    return len({os.path.realpath(example.source) for example in Run.open(out).examples()} - asked)
