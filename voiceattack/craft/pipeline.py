"""The work behind :mod:`voiceattack.craft.run`, batch by batch: load, hear, attack and record, then what is made beside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from voiceattack.attacks.base import Crafted
from voiceattack.audio.clips import Batch
from voiceattack.corpus import BadItem, Utterance
from voiceattack.craft.beside import make_beside
from voiceattack.craft.clips import craft_clips
from voiceattack.craft.job import Clip, Job
from voiceattack.craft.load import load_clip
from voiceattack.craft.record import Setting, record, stage_id
from voiceattack.errors import as_error
from voiceattack.runs.run import example_seed

__all__ = ["attack_batch", "craft_items"]


def craft_items(job: Job, items: Iterable[Utterance | BadItem]) -> None:
    """Load, attack and record what of ``items`` is not done yet."""
    batch: list[Clip] = []
    for item in items:
        clip = load_clip(job, item)
        if clip is None:
            job.finished += 1
            continue
        batch.append(clip)
        if len(batch) == job.request.batch_size:
            attack_batch(job, batch)
            batch = []
    if batch:
        attack_batch(job, batch)


def attack_batch(job: Job, clips: Sequence[Clip]) -> None:
    """Hear, attack, save and record one batch, then its controls."""
    label = clips[0].utterance.name if len(clips) == 1 else f"{clips[0].utterance.name} and {len(clips) - 1} more"
    job.tell(0, label)
    heard = _hear(job, clips)
    if any(job.done(clip.id) is None for clip in heard):
        seeds = [example_seed(job.request.seed, clip.pcm_sha256, job.attack.name) for clip in heard]
        results = craft_clips(
            job.victim,
            job.attack,
            [clip.waveform for clip in heard],
            [clip.heard for clip in heard],
            job.objective,
            job.budget,
            seeds,
            lambda done, _: job.tell(done * len(clips), label),
            job.request.options,
        )
        together = [clip.id for clip in heard]
        for clip, seed, result in zip(heard, seeds, results, strict=True):
            if job.done(clip.id) is None:
                setting = Setting(clip.id, job.attack, job.budget, seed, together=together)
                # The example's own line comes last: who resumes finds it with its stages, or finds neither.
                for level, waveform in result.stages if isinstance(result, Crafted) else []:
                    stage = Crafted(waveform, 0, 0, 0.0)
                    met = replace(setting, id=stage_id(clip.id, level), stage=(clip.id, level))
                    record(job, clip, met, stage)
                record(job, clip, setting, result)
    for clip in heard:
        make_beside(job, clip)
    job.finished += len(clips)
    job.tell(0, label, ended=True)


def _hear(job: Job, clips: Sequence[Clip]) -> list[Clip]:
    """The clips with what the victim hears in them; one that it cannot hear is recorded as failed and left out."""
    known = []
    for clip in clips:
        before = job.recorded.get(clip.id)
        if before is not None and before.clean_hypothesis is not None:
            known.append(replace(clip, heard=before.clean_hypothesis))
            continue
        try:
            known.append(replace(clip, heard=job.victim.transcribe(Batch.of([clip.waveform]))[0].text))
        except Exception as error:  # a victim may be anybody's code
            seed = example_seed(job.request.seed, clip.pcm_sha256, job.attack.name)
            record(job, clip, Setting(clip.id, job.attack, job.budget, seed), as_error(error), heard=False)
    return known
