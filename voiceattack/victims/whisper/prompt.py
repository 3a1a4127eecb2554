"""Whisper hearing with a prompt: the tokens of a text before the first word, as the earlier part of a talk would stand there."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from voiceattack.audio.clips import SAMPLE_RATE, Batch
from voiceattack.errors import VictimError
from voiceattack.victims.base import Transcript
from voiceattack.victims.pretrained import quiet_transformers
from voiceattack.victims.whisper.frontends import features
from voiceattack.victims.whisper.model import WhisperModel

__all__ = ["generate_prompted", "hear_prompted", "prompt_ids", "refuse_timestamps"]

START_OF_PREVIOUS = "<|startofprev|>"


def refuse_timestamps(model: WhisperModel, spec: str) -> None:
    """Raise VictimError, naming the victim ``spec``, where the model is to write timestamps in its first mode."""
    if model.modes[0].timestamps:
        raise VictimError(f"victim {spec!r} writes timestamps, which take no prompt here; leave timestamps=on out")


def prompt_ids(model: WhisperModel, prompt: str) -> list[int]:
    """Token ids of a prompt, with the token that begins it; empty for an empty one."""
    text = prompt.strip()
    return [*model.text_ids_raw(START_OF_PREVIOUS), *model.text_ids_raw(" " + text)] if text else []


def hear_prompted(model: WhisperModel, batch: Batch, prompt: str) -> list[Transcript]:
    """What the first mode writes after ``prompt``, clip by clip.

    Raises:
        VictimError: a clip is longer than the window.
    """
    heard = []
    for clip in batch.clips():
        if len(clip) > model.log_mel.samples:
            raise VictimError(f"a clip of {len(clip) / SAMPLE_RATE:.0f} s is longer than Whisper's window; cut it for a prompt")
        waveform, lengths = clip[None].to(model.device, torch.float32), torch.tensor([len(clip)])
        with torch.no_grad():
            mel = features(model.log_mel, waveform, lengths, model.modes[0].frontend)
        heard.append(Transcript(generate_prompted(model, prompt, input_features=mel)))
    return heard


def generate_prompted(
    model: WhisperModel,
    prompt: str,
    *,
    input_features: Tensor | None = None,
    states: Tensor | None = None,
    most_tokens: int | None = None,
) -> str:
    """The text that transformers' ``generate`` writes after ``prompt``.

    Args:
        model: of one plain mode.
        prompt: ``""`` for none.
        input_features: float (1, mels, frames); or instead
        states: what the encoder made of them, float (1, positions, width).
        most_tokens: cut off what repeats itself without end; None lets the model go on as long as it does.
    """
    options: dict[str, Any] = dict(model.generate_options)
    ids = prompt_ids(model, prompt)
    if ids:
        options["prompt_ids"] = torch.tensor(ids, device=model.device)
    if most_tokens is not None:
        options["max_new_tokens"] = most_tokens
    if states is not None:
        options["encoder_outputs"] = BaseModelOutput(last_hidden_state=states)
    else:
        assert input_features is not None
        options["input_features"] = input_features.to(model.network.dtype)
    with torch.no_grad(), quiet_transformers():
        tokens = model.network.generate(do_sample=False, num_beams=1, **options)
    said: list[int] = tokens[0].tolist()
    return model.words(said[len(ids) :] if ids and said[: len(ids)] == ids else said)
