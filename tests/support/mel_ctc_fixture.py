"""CTC models on filter banks, of a few thousand seeded numbers, as transformers saves them: they write noise."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import torch

__all__ = ["WRITERS", "write_parakeet", "write_wav2vec2_bert"]


def write_wav2vec2_bert(folder: Path) -> Any:
    """Write config, weights, tokenizer and extractor of a ``Wav2Vec2BertForCTC``; the model is returned."""
    import transformers
    from transformers import Wav2Vec2BertConfig, Wav2Vec2BertForCTC

    Tokenizer: Any = transformers.Wav2Vec2CTCTokenizer
    Extractor: Any = transformers.SeamlessM4TFeatureExtractor
    tokens = ["<pad>", "<unk>", "|", "'", *string.ascii_lowercase]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    Tokenizer(str(folder / "vocab.json"), bos_token=None, eos_token=None, unk_token="<unk>", pad_token="<pad>").save_pretrained(
        folder
    )
    Extractor(padding_value=1.0).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        config = Wav2Vec2BertConfig(
            vocab_size=len(tokens),
            pad_token_id=0,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            conv_depthwise_kernel_size=7,
            left_max_position_embeddings=8,
            right_max_position_embeddings=4,
            layerdrop=0.0,
            initializer_range=0.3,
        )
        model: Any = Wav2Vec2BertForCTC(config).eval()
    model.save_pretrained(folder)
    return model


def write_parakeet(folder: Path) -> Any:
    """Write config, weights, tokenizer and extractor of a ``ParakeetForCTC``; the model is returned."""
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import ParakeetCTCConfig, ParakeetForCTC

    Fast: Any = transformers.ParakeetTokenizer
    Extractor: Any = transformers.ParakeetFeatureExtractor
    letters = ["\u2581", *string.ascii_lowercase, "'"]
    pieces = ["<unk>", *letters, "\u2581d", "oo", "oor", "\u2581door", "\u2581o", "pe", "pen", "\u2581open"]
    merges = [("\u2581", "d"), ("o", "o"), ("oo", "r"), ("\u2581d", "oor"), ("\u2581", "o"), ("p", "e"), ("pe", "n")]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [*merges, ("\u2581o", "pen")], unk_token="<unk>", fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    Fast(tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>").save_pretrained(folder)
    Extractor(feature_size=16).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        encoder = {
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "subsampling_conv_channels": 8,
            "num_mel_bins": 16,
            "initializer_range": 0.3,
        }
        config = ParakeetCTCConfig(vocab_size=len(pieces) + 1, pad_token_id=len(pieces), encoder_config=encoder)
        model: Any = ParakeetForCTC(config).eval()
    model.save_pretrained(folder)
    return model


WRITERS = {"wav2vec2-bert": write_wav2vec2_bert, "parakeet_ctc": write_parakeet}
