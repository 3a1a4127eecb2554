"""Hugging Face's Moonshine models, from a folder or the cache."""

from __future__ import annotations

from typing import Any

import torch

from voiceattack.languages import language_code
from voiceattack.victims.front_ends.waveform import Waveform
from voiceattack.victims.moonshine.victim import SHORTEST, MoonshineVictim
from voiceattack.victims.pretrained import check_rate, load_model, load_part, precision, stored_dtype, take_dtype

__all__ = ["from_pretrained"]


def from_pretrained(
    name: str, device: torch.device, options: dict[str, str] | None = None, local_files_only: bool = True
) -> MoonshineVictim:
    """A Moonshine with its tokenizer and processor (safetensors only).

    Args:
        name: id on the hub, or a local folder.
        device: where the model goes.
        options: ``language`` of what it writes, English unless said; ``dtype``, see ``take_dtype``.
        local_files_only: never touch the network.

    Raises:
        VictimError: a file is missing or damaged, or the model is of another type.
    """
    from transformers import AutoTokenizer, MoonshineForConditionalGeneration, Wav2Vec2FeatureExtractor

    spec, options = f"hf:{name}", dict(options or {})
    dtype = take_dtype(spec, options, device)
    where: dict[str, Any] = {"local_files_only": local_files_only}
    tokenizer = load_part(spec, "a Moonshine model", AutoTokenizer, name, **where)
    extractor = load_part(spec, "a Moonshine model", Wav2Vec2FeatureExtractor, name, **where)
    check_rate(spec, extractor)
    network = load_model(spec, "a Moonshine model", MoonshineForConditionalGeneration, name, device, dtype=dtype, **where)
    victim = MoonshineVictim(
        network,
        lambda text: list(tokenizer.encode(text.strip(), add_special_tokens=False)) if text.strip() else [],
        lambda ids: str(tokenizer.decode(ids, skip_special_tokens=True)).strip(),
        {"model": name, "precision": precision(stored_dtype(name), dtype)},
        Waveform(bool(extractor.do_normalize), SHORTEST),
    )
    victim.language = language_code(options.get("language", "en"), spec)
    return victim
