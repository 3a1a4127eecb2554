"""Save what was crafted, read it again to be sure, and append its line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from voiceattack.attacks.base import Attack, Crafted
from voiceattack.audio import clips as audio
from voiceattack.constraints import Budget
from voiceattack.craft.job import Clip, Job, writing
from voiceattack.errors import AudioError, DiskError, VoiceAttackError
from voiceattack.metrics.signal import snr_db
from voiceattack.metrics.terms import names_of
from voiceattack.runs.run import Example, adversarial_comment, example_id

__all__ = ["Setting", "record", "record_unusable", "stage_id"]


@dataclass(frozen=True)
class Setting:
    """How one artefact was asked for: what its line says of it besides what came out.

    Attributes:
        id: of its example.
        attack, budget, seed: with which it was crafted.
        control_for: id of the example whose SNR this noise control matches.
        stage: id of the example on whose way this was met, and the lower edge of its bin of SNR in dB.
        together: ids of the examples of its batch.
    """

    id: str
    attack: Attack
    budget: Budget
    seed: int
    control_for: str | None = None
    stage: tuple[str, float] | None = None
    together: Sequence[str] = ()

    @property
    def batch(self) -> list[str]:
        """Ids of the examples that are to be crafted together to make this one again."""
        if len(self.together) > 1:
            return list(self.together)
        return [self.stage[0] if self.stage and self.control_for is None else self.id]


def stage_id(example: str, level: float) -> str:
    """Id of the artefact of ``example`` met at ``level`` dB or a little more."""
    return f"{example}.{level:g}db"


def record(job: Job, clip: Clip, setting: Setting, result: Crafted | VoiceAttackError, *, heard: bool = True) -> None:
    """Save one artefact, read it again to be sure, and append its line; an error gets a line without an artefact.

    Args:
        job: of the run.
        clip: that was attacked.
        setting: how.
        result: what came of it.
        heard: whether the victim could hear the clean clip.
    """
    path: Path | None = None
    sha256: str | None = None
    if isinstance(result, Crafted):
        try:
            path, sha256 = _save(job, clip, setting.id, result.waveform)
        except AudioError as error:  # an attack may be anybody's code: NaN, nothing at all
            error.queries = result.queries
            result = error
        else:
            _count(job, clip, setting, result)
    made = result if isinstance(result, Crafted) else Crafted(clip.waveform, 0, result.queries, 0.0)
    job.add(
        Example(
            **_shared(job, setting.attack),
            id=setting.id,
            source=clip.utterance.place,
            source_sha256=clip.source_sha256,
            audio=None if path is None else path.relative_to(job.run.path).as_posix(),
            clean_audio=clip.clean_audio,
            reference=clip.utterance.text,
            critical_terms=names_of(clip.utterance.extra, "critical_terms"),
            clean_hypothesis=clip.heard if heard else None,
            control_for=setting.control_for,
            stage_of=None if setting.stage is None else setting.stage[0],
            steps=made.steps,
            queries=made.queries,
            seconds=made.seconds,
            seed=setting.seed,
            sha256=sha256,
            recipe=_recipe(job, clip, setting, made.draws),
            warnings=clip.warnings + made.warnings,
            trace=made.trace,
            error=None if isinstance(result, Crafted) else str(result),
        )
    )


def _count(job: Job, clip: Clip, setting: Setting, result: Crafted) -> None:
    """Let the progress say how the search of a clip ended; controls and stages are no searches of their own."""
    if result.fooled is not None and setting.control_for is None and setting.stage is None:
        same = len(result.waveform) == len(clip.waveform)
        job.searched(result.fooled, snr_db(clip.waveform, result.waveform) if same else None)


def _recipe(job: Job, clip: Clip, setting: Setting, draws: dict[str, Any]) -> dict[str, Any]:
    """All that is needed to craft an artefact again, JSON-safe."""
    return {
        **_shared(job, setting.attack),
        "victim": job.victim.spec,
        "wer_threshold": job.objective.wer_threshold,
        "budget": setting.budget.as_dict(),
        "source": clip.utterance.place,
        "source_sha256": clip.source_sha256,
        **({} if clip.utterance.segment is None else {"segment": clip.utterance.segment.as_dict()}),
        "pcm_sha256": clip.pcm_sha256,
        "seed": setting.seed,
        **job.request.recorded(),
        "batch": setting.batch,
        **({} if setting.stage is None else {"stage_snr_db": setting.stage[1]}),
        **({"draws": draws} if draws else {}),
        **({} if job.repeat is None else {"repeat": job.repeat}),
        "device": str(getattr(job.victim, "device", "cpu")),
        "versions": job.run.info["versions"],
    }


def record_unusable(
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
