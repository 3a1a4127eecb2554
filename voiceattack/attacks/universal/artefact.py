"""A universal perturbation on disk: 16-bit audio that can be listened to, and its recipe beside it in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from voiceattack.audio import clips as audio
from voiceattack.errors import AttackError, VoiceAttackError
from voiceattack.files import read_bytes, write_whole, writing

__all__ = ["Recipe", "load_artefact", "save_artefact"]

Mode = Literal["prepend", "additive"]
MODES: tuple[Mode, ...] = get_args(Mode)


class Recipe(BaseModel):
    """All that made a universal perturbation.

    ``sha256`` is of the audio file's bytes, ``start`` of the perturbation that the fit went on from; ``clips`` are the names of
    the files fitted on; ``validation`` says how many held out from fitting fell to it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Mode
    linf: float = Field(gt=0, le=1)
    victim: str
    objective: str
    target: str | None
    wer_threshold: float
    params: dict[str, Any]
    seed: int
    clips: list[str]
    steps: int
    validation: dict[str, Any]
    versions: dict[str, Any]
    start: str | None = None
    sha256: str = ""


def save_artefact(path: Path, waveform: Tensor, recipe: Recipe) -> Recipe:
    """Write ``path`` (.flac or .wav, tagged as adversarial) and the same name with .json; the recipe with its digest.

    Args:
        path: of the audio.
        waveform: float32 (samples,) on the 16-bit grid, at 16 kHz.
        recipe: what made it.

    Raises:
        AudioError, RunError: one of them cannot be written.
    """
    audio.save(path, waveform, comment=f"voiceattack: adversarial universal perturbation, {recipe.mode}, for {recipe.victim}")
    whole = recipe.model_copy(update={"sha256": audio.file_sha256(path)})
    beside = path.with_suffix(".json")
    with writing(beside):
        write_whole(beside, (json.dumps(whole.model_dump(mode="json"), indent=2) + "\n").encode())
    return whole


def load_artefact(path: Path) -> tuple[Tensor, Recipe]:
    """The perturbation float32 (samples,) and its recipe.

    Raises:
        AttackError: a file is missing or damaged, or the audio is not the one that the recipe is of.
    """
    beside = path.with_suffix(".json")
    try:
        recipe = Recipe.model_validate_json(read_bytes(beside))
        waveform = audio.load(path)
        digest = audio.file_sha256(path)
    except (OSError, ValidationError, VoiceAttackError) as error:
        reason = str(error).splitlines()[0]
        raise AttackError(f"{path}: is no universal perturbation with its recipe {beside.name} beside it ({reason})") from error
    if digest != recipe.sha256:
        raise AttackError(f"{path}: is not the file that {beside.name} describes (other SHA-256); fit it again")
    if not bool(torch.isfinite(waveform).all()) or float(waveform.abs().max()) > recipe.linf + 1 / 32768:
        raise AttackError(f"{path}: is louder than the {recipe.linf:g} that its recipe promises; fit it again")
    return waveform, recipe
