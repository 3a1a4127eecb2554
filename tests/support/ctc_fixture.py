"""A real ``Wav2Vec2ForCTC``, built from a config and trained on a few samples until it transcribes them exactly.

It overfits on purpose: it is a stand-in for a fine-tuned model, so that the CTC path runs offline. Nothing it shows says
anything about the strength of an attack on a real model.
"""

from __future__ import annotations

import json
import string
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
CLIPS = 4
STEPS = 600


def sample_clips(count: int = CLIPS) -> list[tuple[Tensor, str]]:
    """The ``count`` shortest clips of samples/: float32 (samples,) at 16 kHz, and what is said, in lower case."""
    folder = ROOT / "samples"
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines() if line.strip()]
    lines.sort(key=lambda line: (line["duration"], line["audio_filepath"]))
    clips = []
    for line in lines[:count]:
        samples, rate = soundfile.read(folder / line["audio_filepath"], dtype="float32")
        assert rate == 16_000
        letters = "".join(letter if letter.isalpha() or letter == "'" else " " for letter in line["text"].lower())
        clips.append((torch.from_numpy(samples), " ".join(letters.split())))
    return clips


def build(folder: Path, *, norm: str = "layer", model_type: str = "wav2vec2", seed: int = 0) -> Any:
    """Write config, tokenizer and feature extractor of a tiny CTC model to ``folder``; the untrained model is returned."""
    import transformers
    from transformers import AutoConfig

    # transformers leaves these untyped.
    Tokenizer: Any = transformers.Wav2Vec2CTCTokenizer
    Extractor: Any = transformers.Wav2Vec2FeatureExtractor
    AutoModel: Any = transformers.AutoModelForCTC

    folder.mkdir(parents=True, exist_ok=True)
    tokens = ["<pad>", "<unk>", "|", "'", *string.ascii_uppercase]
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    tokenizer = Tokenizer(
        str(folder / "vocab.json"), bos_token=None, eos_token=None, unk_token="<unk>", pad_token="<pad>", word_delimiter_token="|"
    )
    tokenizer.save_pretrained(folder)
    Extractor(do_normalize=True, return_attention_mask=norm == "layer").save_pretrained(folder)
    torch.manual_seed(seed)
    config = AutoConfig.for_model(
        model_type,
        vocab_size=len(tokens),
        pad_token_id=0,
        hidden_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=192,
        conv_dim=[64, 96, 96],
        conv_kernel=[20, 8, 4],
        conv_stride=[10, 8, 4],
        num_feat_extract_layers=3,
        conv_bias=True,
        feat_extract_norm=norm,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        do_stable_layer_norm=norm == "layer",
        hidden_dropout=0.0,
        attention_dropout=0.0,
        activation_dropout=0.0,
        feat_proj_dropout=0.0,
        final_dropout=0.0,
        layerdrop=0.0,
        apply_spec_augment=False,
        ctc_loss_reduction="mean",
    )
    return AutoModel.from_config(config)


def train(folder: Path, clips: Sequence[tuple[Tensor, str]]) -> Path:
    """Train until every clip is transcribed exactly with head-room, and save to ``folder``."""
    from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor

    model = build(folder).train()
    tokenizer = Wav2Vec2CTCTokenizer.from_pretrained(folder)
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(folder)
    features = extractor([clip.numpy() for clip, _ in clips], sampling_rate=16_000, padding=True, return_tensors="pt")
    texts = [text.upper() for _, text in clips]
    labels = torch.nn.utils.rnn.pad_sequence([torch.tensor(tokenizer(text).input_ids) for text in texts], True, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 0.05, 1.0, 30)
    for step in range(STEPS):
        output = model(**features, labels=labels)
        optimizer.zero_grad()
        output.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 20 == 19 and float(output.loss.detach()) < 0.02:
            break
    model.eval().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def ctc_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the trained model, for ``hf:<folder>``; made once a session, in a temporary place."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return train(tmp_path_factory.mktemp("ctc"), sample_clips())
