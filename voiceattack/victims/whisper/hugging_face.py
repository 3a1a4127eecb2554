"""Hugging Face's Whisper models, from a folder or the cache."""

from __future__ import annotations

from typing import Any

import torch

from voiceattack.languages import language_code, model_code
from voiceattack.victims.pretrained import load_model, load_part, precision, stored_dtype, take_dtype
from voiceattack.victims.whisper.frontends import parse_modes
from voiceattack.victims.whisper.generation import complete_generation
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
        options: ``language`` (of multilingual models); ``frontend`` and ``timestamps``, see ``parse_modes``;
            ``dtype``, see ``take_dtype``.
        local_files_only: never touch the network.

    Raises:
        SpecError: the model does not know the language.
        VictimError: the folder is incomplete or damaged, or the model is not of Whisper type.
    """
    from transformers import WhisperForConditionalGeneration, WhisperTokenizer

    spec, options = f"hf:{name}", dict(options or {})
    dtype = take_dtype(spec, options, device)
    where: dict[str, Any] = {"local_files_only": local_files_only}
    tokenizer = load_part(spec, "a Whisper model", WhisperTokenizer, name, **where)
    network = load_model(spec, "a Whisper model", WhisperForConditionalGeneration, name, device, dtype=dtype, **where)
    complete_generation(spec, network, tokenizer)
    prompt = [int(network.generation_config.decoder_start_token_id)]
    multilingual = bool(network.generation_config.is_multilingual)
    known = [token.strip("<|>") for token in network.generation_config.lang_to_id] if multilingual else ["en"]
    language = model_code(options.get("language", "en"), known, spec)
    if multilingual:
        tokenizer.set_prefix_tokens(language=language, task="transcribe", predict_timestamps=False)
        prompt = list(tokenizer.prefix_tokens)
    else:
        prompt.append(int(network.generation_config.no_timestamps_token_id))
    model = WhisperModel(
        network,
        lambda text: list(tokenizer.encode(text, add_special_tokens=False)),
        lambda ids: str(tokenizer.decode(ids, skip_special_tokens=True)),
        prompt,
        parse_modes(options, spec),
        {"language": language, "task": "transcribe"} if multilingual else None,
    )
    facts = {"model": name, "multilingual": multilingual, "precision": precision(stored_dtype(name), dtype)}
    victim = WhisperVictim(model, facts)
    victim.language = language_code(language)
    return victim
