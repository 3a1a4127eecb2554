"""Small Hugging Face folders of every kind that is loaded, with seeded weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from ctc_fixture import build
from whisper_fixture import write_whisper

LABELS = {0: "on", 1: "off", 2: "other"}


def write_ctc(folder: Path, model: Any = None) -> Any:
    made = build(folder)
    model = made if model is None else model
    model.save_pretrained(folder)
    return model


def write_classifier(folder: Path, model: Any = None) -> Any:
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    letters = [*"abcdefghijklmnopqrstuvwxyz"]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    if model is None:
        torch.manual_seed(4)
        sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
        model = BertForSequenceClassification(BertConfig(vocab_size=len(vocabulary), id2label=LABELS, **sizes))
    model.save_pretrained(folder)
    return model


WRITERS: dict[str, Callable[..., Any]] = {"whisper": write_whisper, "ctc": write_ctc, "text": write_classifier}
SCHEMES = {"whisper": "hf", "ctc": "hf", "text": "hf-text"}
