"""Hugging Face's Whisper models, from a folder or the cache."""

from __future__ import annotations

from typing import Any

import torch

from voiceattack.languages import language_code
from voiceattack.victims.options import take_choice
from voiceattack.victims.pretrained import load_model, load_part, precision, stored_dtype, take_dtype
from voiceattack.victims.whisper.frontends import parse_modes
from voiceattack.victims.whisper.generation import TASKS, complete_generation, decoder_prompt
from voiceattack.victims.whisper.model import WhisperModel
from voiceattack.victims.whisper.victim import WhisperVictim

__all__ = ["from_pretrained"]


def from_pretrained(
    name: str, device: torch.device, options: dict[str, str] | None = None, local_files_only: bool = True
) -> WhisperVictim:
    """A Hugging Face Whisper-type model from a local folder or the cache (safetensors only).

    Args:
        name: id on the hub, or a local folder.
        device: where the model goes.
        options: ``language`` and ``task`` (of multilingual models); ``frontend`` and ``timestamps``, see ``parse_modes``;
            ``dtype``, see ``take_dtype``.
        local_files_only: never touch the network.

    Raises:
        SpecError: the model does not know the language or the task.
        VictimError: the folder is incomplete or damaged, or the model is not of Whisper type.
    """
    from transformers import WhisperForConditionalGeneration, WhisperTokenizer

    spec, options = f"hf:{name}", dict(options or {})
    dtype = take_dtype(spec, options, device)
    where: dict[str, Any] = {"local_files_only": local_files_only}
    tokenizer = load_part(spec, "a Whisper model", WhisperTokenizer, name, **where)
    network = load_model(spec, "a Whisper model", WhisperForConditionalGeneration, name, device, dtype=dtype, **where)
    complete_generation(spec, network, tokenizer)
    task = take_choice(spec, options, "task", "transcribe", TASKS)
    prompt, told = decoder_prompt(spec, network.generation_config, options.get("language", "en"), task)
    model = WhisperModel(
        network,
        lambda text: list(tokenizer.encode(text, add_special_tokens=False)),
        lambda ids: str(tokenizer.decode(ids, skip_special_tokens=True)),
        prompt,
        parse_modes(options, spec),
        told,
    )
    facts = {"model": name, "multilingual": told is not None, "precision": precision(stored_dtype(name), dtype)}
    victim = WhisperVictim(model, facts)
    if told:
        victim.language = "en" if task == "translate" else language_code(told["language"])
    return victim
