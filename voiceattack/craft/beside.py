"""What is made beside an artefact: its noise control, and the same perturbation on the user's own file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from voiceattack.attacks import build_attack
from voiceattack.audio import clips as audio
from voiceattack.constraints import Budget
from voiceattack.corpus import Utterance
from voiceattack.craft.clips import craft_clips
from voiceattack.craft.job import Clip, Job, writing
from voiceattack.craft.record import Setting, record
from voiceattack.errors import AudioError
from voiceattack.metrics.signal import snr_db
from voiceattack.runs.run import adversarial_comment, example_seed

__all__ = ["make_beside", "wants_control", "wants_original"]


def make_beside(job: Job, clip: Clip) -> None:
    """What the request asks for beside the artefact of ``clip`` and its stages, and is not there yet."""
    for example in [clip.id, *job.stages_of(clip.id)]:
        with _costing(job, clip, "it gets no noise control"):
            _control(job, clip, example)
    with _costing(job, clip, "it is not carried back to its own format"):
        _original(job, clip)


def _control_id(example: str) -> str:
    return f"{example}.noise"


def wants_control(job: Job, clip_id: str) -> bool:
    """Whether an example is to have a noise control, and has none."""
    return job.request.control and job.attack.name != "noise" and job.done(_control_id(clip_id)) is None


def _original_path(job: Job, clip_id: str, source: Utterance) -> Path:
    return job.run.resolve(f"original/{clip_id}{'.flac' if source.suffix == '.flac' else '.wav'}")


def wants_original(job: Job, clip_id: str, source: Utterance) -> bool:
    """Whether a perturbation is to be carried back to its own file, and is not yet."""
    return job.request.keep_format and not _original_path(job, clip_id, source).exists()


@contextlib.contextmanager
def _costing(job: Job, clip: Clip, loss: str) -> Iterator[None]:
    """What cannot be read any more (an artefact of an earlier run, the file it was made from) costs what is made of it alone."""
    try:
        yield
    except AudioError as error:
        if job.on_error is not None:
            job.on_error(f"{clip.utterance.path}: {loss}: {error}")


def _control(job: Job, clip: Clip, id: str) -> None:
    """Noise of exactly the saved artefact's SNR on the same clean file, so that "it works" means the attack, not the loudness."""
    attacked = job.done(id)
    if attacked is None or not attacked.audio or not wants_control(job, id):
        return
    saved = audio.load(job.run.resolve(attacked.audio))
    if saved.shape != clip.waveform.shape:
        return  # no SNR is defined, so none can be matched
    attained = float(snr_db(clip.waveform, saved))
    if not abs(attained) < float("inf"):
        return  # nothing was changed, so there is nothing to compare with
    noise = build_attack("noise")
    budget = Budget(snr_db=min(max(attained, -20.0), 120.0), band=job.budget.band, window=job.budget.window)
    seed = example_seed(job.request.seed, clip.pcm_sha256, noise.name)
    (result,) = craft_clips(job.victim, noise, [clip.waveform], [clip.heard], job.objective, budget, [seed])
    stage = None if attacked.stage_of is None else (attacked.stage_of, float(attacked.recipe["stage_snr_db"]))
    record(job, clip, Setting(_control_id(id), noise, budget, seed, control_for=id, stage=stage), result)


def _original(job: Job, clip: Clip) -> None:
    """The perturbation on the user's own file, at its own rate and channels."""
    attacked, source = job.done(clip.id), clip.utterance
    if attacked is None or not attacked.audio or not wants_original(job, clip.id, source):
        return
    if clip.waveform.shape != source.load()[0].shape:
        _tell_lost(job, source, "makes the clip longer")
        return
    saved = audio.load(job.run.resolve(attacked.audio))
    if saved.shape != clip.waveform.shape:
        _tell_lost(job, source, "changes the clip's length")
        return
    delta = saved - clip.waveform
    with source.file() as original:
        carried, rate = audio.carry_back(original, delta), audio.info(original).sample_rate
    with writing(job.run.path):
        path = _original_path(job, clip.id, source)
        comment = adversarial_comment(job.run.id, clip.source_sha256)
        audio.save(path, carried, rate, comment=comment)


def _tell_lost(job: Job, source: Utterance, does: str) -> None:
    if job.on_error is not None:
        job.on_error(f"{source.place}: attack {job.attack.name} {does}, so it is not carried back to its own format")
