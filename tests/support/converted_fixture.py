"""An untrained multilingual Whisper in CTranslate2's format: the converter's files, noise for words."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

TEXT_TOKENS = 50_257
LANGUAGES = ["en", "zh", "de", "es", "ru", "ko", "fr", *(f"l{place}" for place in range(92))]
"""Only the first few are real codes; Whisper has 99."""


def write_converted(folder: Path, quantization: str = "float32") -> Path:
    """Write ``model.bin``, ``config.json``, ``vocabulary.json`` and ``tokenizer.json`` to ``folder``.

    The weights are the same always, stored as ``quantization``, CTranslate2's name for a type.
    """
    from ctranslate2.converters.transformers import WhisperLoader
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    special = ["endoftext", "startoftranscript", *LANGUAGES, "translate", "transcribe", "startoflm", "startofprev", "nospeech"]
    stamps = [f"<|{index * 0.02:.2f}|>" for index in range(1501)]
    # CTranslate2 tells a multilingual vocabulary by its empty token, the last of the text tokens.
    words = [*(f"w{index}" for index in range(TEXT_TOKENS - 1)), ""]
    tokens = words + [f"<|{name}|>" for name in [*special, "notimestamps"]] + stamps
    end, start = TEXT_TOKENS, TEXT_TOKENS + 1
    config = WhisperConfig(
        vocab_size=len(tokens),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=start,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        spec = WhisperLoader().get_model_spec(WhisperForConditionalGeneration(config))
    spec.register_vocabulary(tokens)
    spec.config.suppress_ids, spec.config.suppress_ids_begin = [start], [end]
    spec.config.lang_ids = list(range(start + 1, start + 1 + len(LANGUAGES)))
    spec.config.alignment_heads = [(0, 0)]
    spec.validate()
    spec.optimize(quantization=quantization)
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    vocabulary = {token: index for index, token in enumerate(tokens)}
    Tokenizer(WordLevel(vocabulary, unk_token="w0")).save(str(folder / "tokenizer.json"))
    assert len(json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))) == len(tokens) == 51_865
    return folder
