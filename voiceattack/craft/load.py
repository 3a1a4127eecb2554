"""One input as a clip ready to be attacked."""

from __future__ import annotations

from pathlib import Path

from voiceattack.audio import clips as audio
from voiceattack.corpus import BadItem, Utterance
from voiceattack.craft.beside import wants_control, wants_original
from voiceattack.craft.job import Clip, Job, writing
from voiceattack.craft.record import record_unusable
from voiceattack.errors import as_error
from voiceattack.runs.run import example_id

__all__ = ["load_clip"]


def load_clip(job: Job, item: Utterance | BadItem) -> Clip | None:
    """The clip of an input; None when it needs no work: unusable (recorded), a duplicate, or done."""
    request = job.request
    if isinstance(item, BadItem):
        record_unusable(job, Path(item.where).stem, item.where, None, item.error)
        return None
    source, digests = item.place, None
    try:
        digests = item.digests()
        identifier = example_id(item.name, digests[1], job.label)
        if identifier in job.seen:
            return None
        controls = any(wants_control(job, example) for example in [identifier, *job.stages_of(identifier)])
        pending = job.done(identifier) is None or controls or wants_original(job, identifier, item)
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
        record_unusable(job, item.name, source, digests, told, item.text)
        return None
    job.seen.add(identifier)
    clean_audio = path.relative_to(job.run.path).as_posix()
    return Clip(identifier, item, digests[0], audio.pcm_sha256(waveform), clean_audio, waveform, warnings)


def _without_place(message: str, *places: str) -> str:
    """Errors name the file first; the example's line names it already."""
    for place in places:
        message = message.removeprefix(f"{place}: ")
    return message
