"""Whisper hearing with a prompt: the tokens of a text before the first word, as the earlier part of a talk would stand there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from voiceattack.audio.clips import SAMPLE_RATE, Batch
from voiceattack.errors import VictimError
from voiceattack.victims.base import Transcript
from voiceattack.victims.pretrained import quiet_transformers
from voiceattack.victims.whisper.frontends import features

if TYPE_CHECKING:
    from voiceattack.victims.whisper.victim import WhisperVictim

__all__ = ["generate_prompted", "hear_prompted", "prompt_ids"]

START_OF_PREVIOUS = "<|startofprev|>"


def prompt_ids(victim: WhisperVictim, prompt: str) -> list[int]:
    """Token ids of a prompt, with the token that begins it; empty for an empty one."""
    text = prompt.strip()
    return [*victim.text_ids_raw(START_OF_PREVIOUS), *victim.text_ids_raw(" " + text)] if text else []


def hear_prompted(victim: WhisperVictim, batch: Batch, prompt: str) -> list[Transcript]:
    """What the victim's first hearing writes after ``prompt``, clip by clip.

    Raises:
        VictimError: a clip is longer than the window, or the victim writes timestamps.
    """
    heard = []
    for clip in batch.clips():
        if len(clip) > victim.log_mel.samples:
            raise VictimError(f"a clip of {len(clip) / SAMPLE_RATE:.0f} s is longer than Whisper's window; cut it for a prompt")
        waveform, lengths = clip[None].to(victim.device, torch.float32), torch.tensor([len(clip)])
        with torch.no_grad():
            mel = features(victim.log_mel, waveform, lengths, victim.hearings[0].frontend)
        heard.append(Transcript(generate_prompted(victim, prompt, input_features=mel)))
    return heard


def generate_prompted(
    victim: WhisperVictim,
    prompt: str,
    *,
    input_features: Tensor | None = None,
    states: Tensor | None = None,
    most_tokens: int | None = None,
) -> str:
    """The text that transformers' ``generate`` writes after ``prompt``.

    Args:
        victim: with one plain hearing.
        prompt: ``""`` for none.
        input_features: float (1, mels, frames); or instead
        states: what the encoder made of them, float (1, positions, width).
        most_tokens: cut off what repeats itself without end; None lets the model go on as long as it does.

    Raises:
        VictimError: the victim writes timestamps.
    """
    if victim.hearings[0].timestamps:
        raise VictimError(f"victim {victim.spec!r} writes timestamps, which take no prompt here; leave timestamps=on out")
    options: dict[str, Any] = dict(victim.generate_options)
    ids = prompt_ids(victim, prompt)
    if ids:
        options["prompt_ids"] = torch.tensor(ids, device=victim.device)
    if most_tokens is not None:
        options["max_new_tokens"] = most_tokens
    if states is not None:
        options["encoder_outputs"] = BaseModelOutput(last_hidden_state=states)
    else:
        assert input_features is not None
        options["input_features"] = input_features.to(victim.model.dtype)
    with torch.no_grad(), quiet_transformers():
        tokens = victim.model.generate(do_sample=False, num_beams=1, **options)
    said: list[int] = tokens[0].tolist()
    return victim.words(said[len(ids) :] if ids and said[: len(ids)] == ids else said)
