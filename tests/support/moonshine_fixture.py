"""A Moonshine of a few thousand seeded numbers as transformers saves it, with a tokenizer of letters: it writes noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

LETTERS = "abcdefghijklmnopqrstuvwxyz '"
BEGIN, END = 1, 2


def write_moonshine(folder: Path, normalize: bool = False) -> Any:
    """Write config, weights, tokenizer and extractor to ``folder``; the model, float32, is returned."""
    import transformers
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import MoonshineConfig, MoonshineForConditionalGeneration, PreTrainedTokenizerFast

    with torch.random.fork_rng():
        torch.manual_seed(1)
        config = MoonshineConfig(
            vocab_size=3 + len(LETTERS),
            hidden_size=16,
            intermediate_size=16,
            encoder_num_hidden_layers=1,
            decoder_num_hidden_layers=1,
            encoder_num_attention_heads=2,
            decoder_num_attention_heads=2,
            max_position_embeddings=48,
            initializer_range=0.5,
        )
        model: Any = MoonshineForConditionalGeneration(config).eval()
    model.save_pretrained(folder)
    vocabulary = {"<unk>": 0, "<s>": BEGIN, "</s>": END, **{letter: 3 + index for index, letter in enumerate(LETTERS)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    fast.save_pretrained(folder)
    Extractor: Any = transformers.Wav2Vec2FeatureExtractor
    Extractor(do_normalize=normalize).save_pretrained(folder)
    return model
