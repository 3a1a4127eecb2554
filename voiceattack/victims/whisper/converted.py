"""``whisper:<folder>``: any Whisper, white box, from the folder that is deployed: CTranslate2's or Hugging Face's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from voiceattack.audio.clips import file_sha256
from voiceattack.errors import AudioError, SpecError, VictimError
from voiceattack.files import read_text
from voiceattack.languages import language_code
from voiceattack.victims.options import take_choice
from voiceattack.victims.whisper.ctranslate2_weights import (
    Sizes,
    read_binary,
    sizes_of,
    stored_as,
    whisper_state_dict,
)
from voiceattack.victims.whisper.frontends import PLAIN, DecodingMode, parse_modes
from voiceattack.victims.whisper.generation import TASKS, complete_generation, decoder_prompt
from voiceattack.victims.whisper.model import WhisperModel
from voiceattack.victims.whisper.victim import WhisperVictim

__all__ = ["load", "load_converted"]

OWN_FILES = ("model.bin", "config.json", "tokenizer.json")


class _Vocabulary:
    """A tokenizer as :func:`complete_generation` reads it."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._ids: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)

    def get_vocab(self) -> dict[str, int]:
        return self._ids

    def __len__(self) -> int:
        return len(self._ids)


def load(rest: str, options: dict[str, str], device: torch.device) -> WhisperVictim:
    """Factory of ``whisper:<folder>?language=&task=transcribe|translate&frontend=&timestamps=&dtype=``.

    A CTranslate2 folder, as faster-whisper loads it, holds ``model.bin``, ``config.json`` and ``tokenizer.json``; its weights may
    be float32, float16, bfloat16, int16 or int8, and are computed with in float32. A Hugging Face folder is loaded as ``hf:``
    does; ``dtype`` is its option alone.

    Raises:
        SpecError: no folder named, or the model does not know the language or the task.
        VictimError: no such folder, it holds neither, or a file is missing, damaged or of another model.
    """
    spec, options = f"whisper:{rest}", dict(options)
    folder = Path(rest).expanduser()
    if not rest:
        raise SpecError("victim whisper needs a folder, for example whisper:./faster-whisper-large-v3")
    if not folder.is_dir():
        raise VictimError(f"{spec}: no such folder; give one of CTranslate2 or of Hugging Face; from the hub: hf:<id>")
    if not (folder / "model.bin").is_file():
        return _hugging_face(spec, folder, options, device)
    if "dtype" in options:
        raise SpecError(f"{spec}: a CTranslate2 folder takes no dtype: it is computed with in float32")
    missing = [name for name in OWN_FILES if not (folder / name).is_file()]
    if missing:
        raise VictimError(
            f"{spec}: holds no {' and no '.join(missing)}; "
            "convert with: ct2-transformers-converter --copy_files tokenizer.json preprocessor_config.json ..."
        )
    modes = parse_modes(options, spec)
    task = take_choice(spec, options, "task", "transcribe", TASKS)
    weights = folder / "model.bin"
    try:
        digest = file_sha256(weights)
    except AudioError as error:
        raise VictimError(f"{spec}: {error}") from error
    victim = load_converted(spec, folder, [weights], device, modes, options.get("language", "en"), task)
    return victim.with_facts({"model": str(folder), "sha256": digest})


def _hugging_face(spec: str, folder: Path, options: dict[str, str], device: torch.device) -> WhisperVictim:
    from voiceattack.victims.pretrained import checked_folder
    from voiceattack.victims.whisper.hugging_face import from_pretrained

    kind = checked_folder(spec, folder).get("model_type")
    if kind != "whisper":
        raise VictimError(f"{spec}: is a model of type {kind!r}, no Whisper; hf:{folder} takes other types")
    return from_pretrained(str(folder), device, options)


def load_converted(
    spec: str,
    folder: Path,
    weights: Sequence[Path],
    device: torch.device,
    modes: Sequence[DecodingMode] = (PLAIN,),
    language: str = "en",
    task: str = "transcribe",
) -> WhisperVictim:
    """A Whisper in CTranslate2's format as a PyTorch victim.

    Args:
        spec: for messages.
        folder: of ``config.json`` and ``tokenizer.json``.
        weights: the parts of ``model.bin``, in order.
        device: where the model goes.
        modes: see :func:`voiceattack.victims.whisper.frontends.parse_modes`.
        language: of the speech, of models of several languages.
        task: ``transcribe``, or ``translate`` into English.

    Raises:
        SpecError: the model does not know the language or the task.
        VictimError: a file is damaged, or they are not of one Whisper.
    """
    from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

    settings = _settings(spec, folder / "config.json")
    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # tokenizers raises bare Exception for whatever is wrong with the file
        raise VictimError(f"{spec}: tokenizer.json cannot be read ({error}); copy it from the model again") from error
    variables = read_binary(spec, weights)
    sizes = sizes_of(spec, variables)
    with torch.device("meta"):
        network = WhisperForConditionalGeneration(WhisperConfig(**_config(sizes, _Vocabulary(tokenizer).get_vocab())))
    try:
        network.load_state_dict(whisper_state_dict(variables, sizes), strict=True, assign=True)
    except (KeyError, RuntimeError, ValueError) as error:
        told = " ".join(str(error).split())[:200]
        raise VictimError(f"{spec}: its weights are not those of a Whisper ({told}); convert the model again") from error
    network.tie_weights()
    network.generation_config = GenerationConfig(
        suppress_tokens=settings["suppress_ids"], begin_suppress_tokens=settings["suppress_ids_begin"], return_timestamps=False
    )
    complete_generation(spec, network, _Vocabulary(tokenizer))
    prompt, options = decoder_prompt(spec, network.generation_config, language, task)
    model = WhisperModel(
        network.to(device),
        lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids),
        lambda ids: str(tokenizer.decode(ids, skip_special_tokens=True)),
        prompt,
        modes,
        options,
    )
    victim = WhisperVictim(model, {"precision": f"{stored_as(variables)} weights in float32 arithmetic"})
    if options:
        victim.language = "en" if task == "translate" else language_code(options["language"])
    return victim


def _config(sizes: Sizes, vocabulary: dict[str, int]) -> dict[str, Any]:
    end, start = vocabulary.get("<|endoftext|>"), vocabulary.get("<|startoftranscript|>")
    return {
        "vocab_size": sizes.vocabulary,
        "num_mel_bins": sizes.mels,
        "d_model": sizes.width,
        "encoder_layers": sizes.encoder_layers,
        "decoder_layers": sizes.decoder_layers,
        "encoder_attention_heads": sizes.encoder_heads,
        "decoder_attention_heads": sizes.decoder_heads,
        "encoder_ffn_dim": sizes.encoder_inner,
        "decoder_ffn_dim": sizes.decoder_inner,
        "max_source_positions": sizes.source_positions,
        "max_target_positions": sizes.target_positions,
        "pad_token_id": end,
        "bos_token_id": end,
        "eos_token_id": end,
        "decoder_start_token_id": start,
    }


def _settings(spec: str, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_text(path))
    except FileNotFoundError as error:
        raise VictimError(f"{spec}: holds no config.json; convert the model again") from error
    except (OSError, ValueError, RecursionError) as error:
        raise VictimError(f"{spec}: config.json cannot be read ({error}); convert the model again") from error
    if not isinstance(found, dict):
        raise VictimError(f"{spec}: config.json holds no object; convert the model again")
    return {"suppress_ids": found.get("suppress_ids") or [], "suppress_ids_begin": found.get("suppress_ids_begin") or []}
