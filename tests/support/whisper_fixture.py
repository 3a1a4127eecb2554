"""A Whisper of a few thousand seeded numbers as transformers saves it, with the bundled tokenizer: it writes noise, at once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from voiceattack.victims.whisper.packaged import TINY

VOCABULARY = 51_864
START, END, NO_TIMESTAMPS = 50_257, 50_256, 50_362


def write_whisper(folder: Path, model: Any = None, **changes: Any) -> Any:
    """Write config, weights, tokenizer and generation config to ``folder``; the model, float32, is returned.

    Args:
        folder: made if it is not there.
        model: a ``WhisperForConditionalGeneration`` to write; None makes the small one.
        changes: of the small one's config.
    """
    if model is None:
        model = small_whisper(**changes)
    model.save_pretrained(folder)
    shutil.copy(TINY.folder() / "tokenizer.json", folder)
    end = "<|endoftext|>"
    names = {"eos_token": end, "bos_token": end, "unk_token": end, "pad_token": end}
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "WhisperTokenizer", **names}))
    return model


def small_whisper(**changes: Any) -> Any:
    """The model that :func:`write_whisper` writes; the same numbers always."""
    from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

    sizes = {"encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    widths = {"d_model": 16, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    ends = {"pad_token_id": END, "bos_token_id": END, "eos_token_id": END, "decoder_start_token_id": START}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        # Large weights, so that a sound's features and each word said decide on the next.
        config = WhisperConfig(**{"vocab_size": VOCABULARY, "init_std": 0.4, **sizes, **widths, **ends, **changes})
        model: Any = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        **ends,
        max_length=24,
        suppress_tokens=[1, 2, 7],
        begin_suppress_tokens=[220, END],
        no_timestamps_token_id=NO_TIMESTAMPS,
        max_initial_timestamp_index=50,
        is_multilingual=False,
        return_timestamps=False,
    )
    return model.eval()
