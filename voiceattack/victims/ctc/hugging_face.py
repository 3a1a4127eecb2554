"""CTC models from a Hugging Face folder or cache: wav2vec2, HuBERT and WavLM on waveforms, wav2vec2-BERT and Parakeet on mels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from voiceattack.audio.clips import file_sha256
from voiceattack.errors import VictimError
from voiceattack.languages import language_code
from voiceattack.victims.ctc.subwords import SubwordVocabulary
from voiceattack.victims.ctc.victim import CTCVictim, Emissions
from voiceattack.victims.ctc.vocabulary import Vocabulary
from voiceattack.victims.front_ends.base import FrontEnd
from voiceattack.victims.front_ends.filter_bank import KaldiFilterBank, NemoFilterBank
from voiceattack.victims.front_ends.waveform import Waveform
from voiceattack.victims.pretrained import check_rate, load_model, load_part, precision, stored_dtype, take_dtype

__all__ = ["emissions_of", "from_pretrained", "from_pretrained_parakeet", "from_pretrained_wav2vec2_bert"]

WHAT = "a CTC model"


@dataclass(frozen=True)
class _Family:
    """What differs between CTC models of transformers: the classes of their parts by name, and what goes in and out.

    Attributes:
        extractor, tokenizer: classes of transformers.
        takes: the argument that the network takes its features by.
        head: how the names of the head's weights begin.
        front_end: of extractor, model's config and device.
        steps: network and lengths of its features to frames, each int64 (batch,).
        masked: of the config: whether it takes an attention mask; without one it is given clips alone, unpadded.
        vocabulary: of name, tokenizer and config.
    """

    extractor: str
    tokenizer: str
    takes: str
    head: str
    front_end: Callable[[Any, Any, torch.device], FrontEnd]
    steps: Callable[[Any, Tensor], Tensor]
    masked: Callable[[Any], bool]
    vocabulary: Callable[[str, Any, Any], Vocabulary]


def emissions_of(
    model: Any, front_end: FrontEnd, *, takes: str, masked: bool, steps: Callable[[Any, Tensor], Tensor]
) -> Emissions:
    """A transformers CTC model as a differentiable function of 16 kHz waveforms.

    Args:
        model: a ``Wav2Vec2ForCTC`` or one of its kin, in eval mode.
        front_end: what it hears by.
        takes: the argument that it takes features by.
        masked: whether it takes an attention mask; without one it is to be given clips alone, unpadded.
        steps: model and lengths of features to frames.
    """

    def emissions(waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        features = front_end(waveforms, lengths)
        mask = features.mask if masked else None
        logits = model(**{takes: features.values.to(model.dtype)}, attention_mask=mask).logits
        return logits, steps(model, features.lengths).to(torch.int64)

    return emissions


def from_pretrained(
    name: str, device: torch.device, options: dict[str, str] | None = None, *, local_files_only: bool = True
) -> CTCVictim:
    """A wav2vec2, HuBERT or WavLM with its tokenizer and processor (safetensors only, no code from the model's repository).

    Args:
        name: local folder, or an id on the hub.
        device: where the model goes.
        options: ``language`` of what it writes, English unless said; ``dtype``, see ``take_dtype``.
        local_files_only: never touch the network.

    Raises:
        VictimError: a file is missing or damaged, the model has no trained CTC head, or it wants another sample rate.
    """
    return _load(_WAV2VEC2, name, device, options, local_files_only)


def from_pretrained_wav2vec2_bert(
    name: str, device: torch.device, options: dict[str, str] | None = None, *, local_files_only: bool = True
) -> CTCVictim:
    """A wav2vec2-BERT (Barrault et al. 2023) fine-tuned for CTC; the rest as :func:`from_pretrained`."""
    return _load(_WAV2VEC2_BERT, name, device, options, local_files_only)


def from_pretrained_parakeet(
    name: str, device: torch.device, options: dict[str, str] | None = None, *, local_files_only: bool = True
) -> CTCVictim:
    """A Parakeet with a CTC head (Rekesh et al. 2023); the rest as :func:`from_pretrained`."""
    return _load(_PARAKEET, name, device, options, local_files_only)


def _load(family: _Family, name: str, device: torch.device, options: dict[str, str] | None, local_files_only: bool) -> CTCVictim:
    import transformers

    spec, options = f"hf:{name}", dict(options or {})
    dtype = take_dtype(spec, options, device)
    where: dict[str, Any] = {"local_files_only": local_files_only}
    kinds = [getattr(transformers, kind, None) for kind in (family.extractor, family.tokenizer)]
    if None in kinds:
        raise VictimError(f"{spec}: transformers {transformers.__version__} is too old for it; run: pip install -U transformers")
    extractor, tokenizer = (load_part(spec, WHAT, kind, name, **where) for kind in kinds)
    model = load_model(spec, WHAT, transformers.AutoModelForCTC, name, device, head=family.head, dtype=dtype, **where)
    check_rate(spec, extractor)
    masked, front_end = family.masked(model.config), family.front_end(extractor, model.config, device)
    victim = CTCVictim(
        emissions_of(model, front_end, takes=family.takes, masked=masked, steps=family.steps),
        family.vocabulary(name, tokenizer, model.config),
        device,
        batched=masked,
        min_samples=front_end.shortest,
        decode=lambda ids: str(tokenizer.decode(ids)),
        facts={
            "model": name,
            "model_type": model.config.model_type,
            "weights_sha256": _digests(name),
            "precision": precision(stored_dtype(name), dtype),
        },
    )
    victim.language = language_code(options.get("language", "en"), spec)
    return victim


def _digests(name: str) -> dict[str, str] | None:
    """SHA-256 of a local folder's weights; a hub id's are in the cache under their own digests."""
    folder = Path(name)
    return {path.name: file_sha256(path) for path in sorted(folder.glob("*.safetensors"))} if folder.is_dir() else None


def _tokens(tokenizer: Any, size: int) -> tuple[str, ...]:
    """The tokenizer's tokens by output index; outputs without a token stay empty."""
    tokens = [""] * size
    for token, index in tokenizer.get_vocab().items():
        if index < size:
            tokens[index] = token
    return tuple(tokens)


def _letters(name: str, tokenizer: Any, config: Any) -> Vocabulary:
    tokens, blank = _tokens(tokenizer, config.vocab_size), tokenizer.pad_token_id
    if blank is None or not 0 <= blank < len(tokens):
        raise VictimError(
            f"hf:{name}: its tokenizer names no padding token, which is the CTC blank; set pad_token in tokenizer_config.json"
        )
    delimiter = tokenizer.word_delimiter_token
    return Vocabulary(tokens, blank=int(blank), delimiter=delimiter if delimiter in tokens else None)


def _pieces(name: str, tokenizer: Any, config: Any) -> Vocabulary:
    tokens, blank = _tokens(tokenizer, config.vocab_size), config.pad_token_id
    if blank is None or blank != tokenizer.pad_token_id:
        raise VictimError(
            f"hf:{name}: its config has the CTC blank at {blank}, its tokenizer at {tokenizer.pad_token_id}; set pad_token there"
        )
    return SubwordVocabulary(
        tokens,
        blank=int(blank),
        delimiter=None,
        pieces=lambda text: list(tokenizer.encode(text, add_special_tokens=False)),
        spelt=lambda ids: str(tokenizer.decode(ids, group_tokens=False)),
    )


def _field(kernels: list[int], strides: list[int]) -> int:
    """Receptive field of a stack of convolutions, in samples: the shortest clip that gives one frame."""
    field = 1
    for index, kernel in enumerate(kernels):
        field += (kernel - 1) * math.prod(strides[:index])
    return field


_WAV2VEC2 = _Family(
    "Wav2Vec2FeatureExtractor",
    "Wav2Vec2CTCTokenizer",
    "input_values",
    "lm_head",
    lambda extractor, config, _: Waveform(bool(extractor.do_normalize), _field(config.conv_kernel, config.conv_stride)),
    lambda model, lengths: model._get_feat_extract_output_lengths(lengths),
    # Group norm in the first layer averages over the padding too: only layer-norm models may be batched with a mask.
    lambda config: bool(config.feat_extract_norm == "layer"),
    _letters,
)
_WAV2VEC2_BERT = _Family(
    "SeamlessM4TFeatureExtractor",
    "Wav2Vec2CTCTokenizer",
    "input_features",
    "lm_head",
    lambda extractor, _, device: KaldiFilterBank(extractor, device),
    lambda model, lengths: model._get_feat_extract_output_lengths(lengths),
    lambda _: True,
    _letters,
)
_PARAKEET = _Family(
    "ParakeetFeatureExtractor",
    "ParakeetTokenizer",
    "input_features",
    "ctc_head",
    lambda extractor, _, device: NemoFilterBank(extractor, device),
    lambda model, lengths: model._get_subsampling_output_length(lengths),
    lambda _: True,
    _pieces,
)
