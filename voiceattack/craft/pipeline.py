"""The work behind :mod:`voiceattack.craft.run`: load a clip, hear it, attack it, save and record it, then its control."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from voiceattack import files
from voiceattack.attacks import build_attack
from voiceattack.attacks.base import Attack, Crafted
from voiceattack.audio import clips as audio
from voiceattack.audio.clips import Batch
from voiceattack.constraints import Budget
from voiceattack.corpus import BadItem, Utterance
from voiceattack.craft.request import AttackRequest
from voiceattack.errors import AudioError, DiskError, VoiceAttackError, as_error
from voiceattack.metrics.signal import snr_db
from voiceattack.metrics.terms import names_of
from voiceattack.objectives import Objective
from voiceattack.runs.run import Example, Run, adversarial_comment, example_id, example_seed
from voiceattack.victims import Victim

__all__ = ["Clip", "Job", "Progress", "attack_batch", "craft_clips", "craft_items", "load_clip", "stage_id", "writing"]

Progress = Callable[[int, int, str], None]
"""Called with (gradient steps done, gradient steps at most, name of the clip)."""


@dataclass(frozen=True)
class Clip:
    """One clip ready to be attacked: where it came from, and its clean 16-bit waveform float32 (samples,)."""

    id: str
    utterance: Utterance
    source_sha256: str
    pcm_sha256: str
    clean_audio: str
    waveform: Tensor
    warnings: list[str]
    heard: str = ""


@dataclass
class Job:
    """The state of one :func:`craft` call.

    ``label`` ends the ids of its examples: the attack's name, unless one run holds several settings of an attack. ``repeat`` is
    the number of the draw where one run holds several of each.
    """

    request: AttackRequest
    run: Run
    victim: Victim
    attack: Attack
    objective: Objective
    budget: Budget
    items: int
    on_progress: Progress | None
    on_error: Callable[[str], None] | None
    recorded: dict[str, Example] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    finished: int = 0
    label: str = ""
    repeat: int | None = None

    def __post_init__(self) -> None:
        self.label = self.label or self.request.attack

    def tell(self, steps: int, label: str) -> None:
        """Show progress: ``steps`` were done on the clips at hand."""
        if self.on_progress is not None:
            unit = max(1, self.attack.max_steps)
            self.on_progress(min(self.finished * unit + steps, self.items * unit), self.items * unit, label)

    def done(self, id: str) -> Example | None:
        """The example ``id`` if it is finished; a failed one is not."""
        example = self.recorded.get(id)
        return None if example is None or example.error is not None else example

    def add(self, example: Example) -> None:
        """Append one line to the run (unless it failed before in the same way), and say so when it is a failure."""
        before = self.recorded.get(example.id)
        if before is None or example.error is None or before.error != example.error:
            self.run.append(example)
        self.recorded[example.id] = example
        if example.error is not None and self.on_error is not None:
            self.on_error(f"{example.source}: {example.error}")


def craft_clips(
    victim: Victim,
    attack: Attack,
    waveforms: Sequence[Tensor],
    heard: Sequence[str],
    objective: Objective,
    budget: Budget,
    seeds: Sequence[int],
    on_step: Callable[[int, int], None] | None = None,
    stages_db: float | None = None,
    max_queries: int | None = None,
) -> list[Crafted | VoiceAttackError]:
    """Attack clean 16-bit clips, float32 (samples,) each, as one batch; if the batch fails, each alone.

    Returns:
        One artefact or error a clip, in order.
    """

    def go(rows: Sequence[int]) -> list[Crafted | VoiceAttackError]:
        batch = Batch.of([waveforms[row] for row in rows])
        texts, own = [heard[row] for row in rows], [seeds[row] for row in rows]
        return attack.craft(victim, batch, texts, objective, budget, own, on_step, stages_db, max_queries)

    rows = range(len(waveforms))
    try:
        return go(rows)
    except Exception as error:  # a victim may be anybody's code; whatever it raises costs its clip alone
        if len(rows) == 1:
            return [as_error(error)]
    limits = (on_step, stages_db, max_queries)
    return [craft_clips(victim, attack, [waveforms[r]], [heard[r]], objective, budget, [seeds[r]], *limits)[0] for r in rows]


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what a full or read-only disk raises into the one error that ends a run; what else is raised stays as it is."""
    try:
        with files.writing(path, "free some space"):
            yield
    except DiskError as error:
        raise DiskError(f"{error}; finished examples are kept: the same command resumes") from error


def _control_id(example: str) -> str:
    return f"{example}.noise"


def _wants_control(job: Job, clip_id: str) -> bool:
    return job.request.control and job.attack.name != "noise" and job.done(_control_id(clip_id)) is None


def _original_path(job: Job, clip_id: str, source: Utterance) -> Path:
    return job.run.resolve(f"original/{clip_id}{'.flac' if source.suffix == '.flac' else '.wav'}")


def _wants_original(job: Job, clip_id: str, source: Utterance) -> bool:
    return job.request.keep_format and not _original_path(job, clip_id, source).exists()


def load_clip(job: Job, item: Utterance | BadItem) -> Clip | None:
    """The clip of an input; None when it needs no work: unusable (recorded), a duplicate, or done."""
    request = job.request
    if isinstance(item, BadItem):
        _record_unusable(job, Path(item.where).stem, item.where, None, item.error)
        return None
    source, digests = item.place, None
    try:
        digests = item.digests()
        identifier = example_id(item.name, digests[1], job.label)
        if identifier in job.seen:
            return None
        controls = any(_wants_control(job, example) for example in [identifier, *_stages_of(job, identifier)])
        pending = job.done(identifier) is None or controls or _wants_original(job, identifier, item)
        # Clips of one batch must meet again, done or not: batching changes floating-point rounding.
        if request.batch_size == 1 and not pending:
            job.seen.add(identifier)
            return None
        samples, warnings = item.load()
        waveform = job.attack.prepare(audio.quantize16(samples))
        job.victim.check_length(waveform.shape[-1] / audio.SAMPLE_RATE, item.name)
        longer = waveform.shape[-1] != samples.shape[-1]
        stem = example_id(item.name, digests[1], f"for-{request.attack}" if longer else "").rstrip("-")
        path = job.run.clean_path(stem)
        if not path.exists():
            with writing(job.run.path):
                audio.save(path, waveform)
    except Exception as error:  # an attack or a victim may be anybody's code
        told = str(error) if isinstance(error, OSError) else str(as_error(error))
        told = _without_place(told, source, str(item.path), item.name)
        _record_unusable(job, item.name, source, digests, told, item.text)
        return None
    job.seen.add(identifier)
    clean_audio = path.relative_to(job.run.path).as_posix()
    return Clip(identifier, item, digests[0], audio.pcm_sha256(waveform), clean_audio, waveform, warnings)


def _without_place(message: str, *places: str) -> str:
    """Errors name the file first; the example's line names it already."""
    for place in places:
        message = message.removeprefix(f"{place}: ")
    return message


def _record_unusable(
    job: Job, name: str, source: str, digests: tuple[str, str] | None, error: str, reference: str | None = None
) -> None:
    """One example line for an input that never became a clip; its id holds the content's digest, or the place's without one."""
    of_file, of_clip = digests or ("", audio.text_sha256(source))
    identifier = example_id(name, of_clip, job.label)
    if identifier in job.seen:
        return
    job.seen.add(identifier)
    job.add(
        Example(
            **_shared(job, job.attack),
            id=identifier,
            source=source,
            source_sha256=of_file,
            audio=None,
            clean_audio=None,
            reference=reference,
            clean_hypothesis=None,
            control_for=None,
            steps=0,
            queries=0,
            seconds=0.0,
            seed=0,
            sha256=None,
            recipe={},
            warnings=[],
            trace=[],
            error=error,
        )
    )


def _shared(job: Job, attack: Attack) -> dict[str, Any]:
    """The fields that every example of an attack has in common."""
    return {
        "source_victim": job.victim.spec,
        "attack": attack.name,
        "params": attack.params,
        "objective": job.objective.kind,
        "target": job.objective.target,
    }


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
            job.request.stages_db,
            job.request.max_queries,
        )
        together = [clip.id for clip in heard]
        for clip, seed, result in zip(heard, seeds, results, strict=True):
            if job.done(clip.id) is None:
                # The example's own line comes last: who resumes finds it with its stages, or finds neither.
                for level, waveform in result.stages if isinstance(result, Crafted) else []:
                    stage = Crafted(waveform, 0, 0, 0.0)
                    name = stage_id(clip.id, level)
                    _record(job, clip, name, job.attack, job.budget, seed, stage, together=together, stage=(clip.id, level))
                _record(job, clip, clip.id, job.attack, job.budget, seed, result, together=together)
    for clip in heard:
        for example in [clip.id, *_stages_of(job, clip.id)]:
            with _costing(job, clip, "it gets no noise control"):
                _control(job, clip, example)
        with _costing(job, clip, "it is not carried back to its own format"):
            _original(job, clip)
    job.finished += len(clips)
    job.tell(0, label)


@contextlib.contextmanager
def _costing(job: Job, clip: Clip, loss: str) -> Iterator[None]:
    """What cannot be read any more (an artefact of an earlier run, the file it was made from) costs what is made of it alone."""
    try:
        yield
    except AudioError as error:
        if job.on_error is not None:
            job.on_error(f"{clip.utterance.path}: {loss}: {error}")


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
            _record(job, clip, clip.id, job.attack, job.budget, seed, as_error(error), heard=False)
    return known


def stage_id(example: str, level: float) -> str:
    """Id of the artefact of ``example`` met at ``level`` dB or a little more."""
    return f"{example}.{level:g}db"


def _stages_of(job: Job, id: str) -> list[str]:
    return [example.id for example in job.recorded.values() if example.stage_of == id and example.control_for is None]


def _control(job: Job, clip: Clip, id: str) -> None:
    """Noise of exactly the saved artefact's SNR on the same clean file, so that "it works" means the attack, not the loudness."""
    attacked = job.done(id)
    if attacked is None or not attacked.audio or not _wants_control(job, id):
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
    _record(job, clip, _control_id(id), noise, budget, seed, result, control_for=id, stage=stage)


def _original(job: Job, clip: Clip) -> None:
    """The perturbation on the user's own file, at its own rate and channels."""
    attacked, source = job.done(clip.id), clip.utterance
    if attacked is None or not attacked.audio or not _wants_original(job, clip.id, source):
        return
    if clip.waveform.shape != source.load()[0].shape:
        if job.on_error is not None:
            job.on_error(
                f"{source.place}: attack {job.attack.name} makes the clip longer, so it is not carried back to its own format"
            )
        return
    saved = audio.load(job.run.resolve(attacked.audio))
    if saved.shape != clip.waveform.shape:
        if job.on_error is not None:
            job.on_error(
                f"{source.place}: attack {job.attack.name} changes the clip's length, so it is not carried back to its own format"
            )
        return
    delta = saved - clip.waveform
    with source.file() as original:
        carried, rate = audio.carry_back(original, delta), audio.info(original).sample_rate
    with writing(job.run.path):
        path = _original_path(job, clip.id, source)
        comment = adversarial_comment(job.run.id, clip.source_sha256)
        audio.save(path, carried, rate, comment=comment)


def _save(job: Job, clip: Clip, identifier: str, waveform: Tensor) -> tuple[Path, str]:
    """Where an artefact lies now, and its SHA-256.

    Raises:
        AudioError: it is no sound that could be saved and heard.
        DiskError: it cannot be written, or does not read back as it was written.
    """
    path = job.run.audio_path(identifier)
    with writing(job.run.path):
        audio.save(path, waveform, comment=adversarial_comment(job.run.id, clip.source_sha256))
        if not torch.equal(audio.load(path), waveform):
            raise DiskError(f"{path} does not read back as it was written; check the disk")
        return path, audio.file_sha256(path)


def _record(
    job: Job,
    clip: Clip,
    identifier: str,
    attack: Attack,
    budget: Budget,
    seed: int,
    result: Crafted | VoiceAttackError,
    *,
    control_for: str | None = None,
    stage: tuple[str, float] | None = None,
    together: Sequence[str] = (),
    heard: bool = True,
) -> None:
    """Save one artefact, read it again to be sure, and append its line."""
    path: Path | None = None
    sha256: str | None = None
    if isinstance(result, Crafted):
        try:
            path, sha256 = _save(job, clip, identifier, result.waveform)
        except AudioError as error:  # an attack may be anybody's code: NaN, nothing at all
            error.queries = result.queries
            result = error
    recipe = {
        **_shared(job, attack),
        "victim": job.victim.spec,
        "wer_threshold": job.objective.wer_threshold,
        "budget": budget.as_dict(),
        "source": clip.utterance.place,
        "source_sha256": clip.source_sha256,
        **({} if clip.utterance.segment is None else {"segment": clip.utterance.segment.as_dict()}),
        "pcm_sha256": clip.pcm_sha256,
        "seed": seed,
        "batch_size": job.request.batch_size,
        "batch": list(together) if len(together) > 1 else [stage[0] if stage and control_for is None else identifier],
        **({} if job.request.stages_db is None else {"stages_db": job.request.stages_db}),
        **({} if stage is None else {"stage_snr_db": stage[1]}),
        **({} if job.request.max_queries is None else {"max_queries": job.request.max_queries}),
        **({"draws": result.draws} if isinstance(result, Crafted) and result.draws else {}),
        **({} if job.repeat is None else {"repeat": job.repeat}),
        "device": str(getattr(job.victim, "device", "cpu")),
        "versions": job.run.info["versions"],
    }
    job.add(
        Example(
            **_shared(job, attack),
            id=identifier,
            source=clip.utterance.place,
            source_sha256=clip.source_sha256,
            audio=None if path is None else path.relative_to(job.run.path).as_posix(),
            clean_audio=clip.clean_audio,
            reference=clip.utterance.text,
            critical_terms=names_of(clip.utterance.extra, "critical_terms"),
            clean_hypothesis=clip.heard if heard else None,
            control_for=control_for,
            stage_of=None if stage is None else stage[0],
            steps=result.steps if isinstance(result, Crafted) else 0,
            queries=result.queries,
            seconds=result.seconds if isinstance(result, Crafted) else 0.0,
            seed=seed,
            sha256=sha256,
            recipe=recipe,
            warnings=clip.warnings + (result.warnings if isinstance(result, Crafted) else []),
            trace=result.trace if isinstance(result, Crafted) else [],
            error=None if isinstance(result, Crafted) else str(result),
        )
    )
