"""wav2vec2, HuBERT and WavLM from a folder or the Hugging Face cache, with their feature extraction in differentiable torch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from voiceattack.audio.clips import SAMPLE_RATE, file_sha256
from voiceattack.errors import VictimError
from voiceattack.languages import language_code
from voiceattack.victims.ctc.victim import CTCVictim, Emissions
from voiceattack.victims.ctc.vocabulary import Vocabulary
from voiceattack.victims.pretrained import load_model, load_part, precision, stored_dtype, take_dtype

__all__ = ["emissions_of", "from_pretrained", "normalized"]


def normalized(waveforms: Tensor, lengths: Tensor) -> Tensor:
    """Zero mean and unit variance over each clip's own samples, zero in the padding, as ``Wav2Vec2FeatureExtractor`` does it.

    Args:
        waveforms: float (batch, samples), zero where padded.
        lengths: int64 (batch,), each >= 1.
    """
    inside = torch.arange(waveforms.shape[1], device=waveforms.device)[None, :] < lengths[:, None]
    counts = lengths[:, None].to(waveforms.dtype)
    centred = (waveforms - (waveforms * inside).sum(dim=1, keepdim=True) / counts) * inside
    variance = centred.square().sum(dim=1, keepdim=True) / counts
    return centred / (variance + 1e-7).sqrt()


def emissions_of(model: Any, *, normalize: bool, masked: bool) -> Emissions:
    """A transformers CTC model as a differentiable function of 16 kHz waveforms.

    Args:
        model: a ``Wav2Vec2ForCTC`` or one of its kin, in eval mode.
        normalize: whether its processor normalises clips.
        masked: whether it takes an attention mask; without one it is to be given clips alone, unpadded.
    """

    def emissions(waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        values = normalized(waveforms, lengths) if normalize else waveforms
        mask = None
        if masked:
            mask = (torch.arange(values.shape[1], device=values.device)[None, :] < lengths[:, None]).long()
        logits = model(values.to(model.dtype), attention_mask=mask).logits
        return logits, model._get_feat_extract_output_lengths(lengths).to(torch.int64)

    return emissions


def from_pretrained(
    name: str, device: torch.device, options: dict[str, str] | None = None, *, local_files_only: bool = True
) -> CTCVictim:
    """A CTC model with its tokenizer and processor (safetensors only, no code from the model's repository).

    Args:
        name: local folder, or an id on the hub.
        device: where the model goes.
        options: ``language`` of what it writes, English unless said; ``dtype``, see ``take_dtype``.
        local_files_only: never touch the network.

    Raises:
        VictimError: a file is missing or damaged, the model has no trained CTC head, or it wants another sample rate.
    """
    from transformers import AutoModelForCTC, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor

    spec, options = f"hf:{name}", dict(options or {})
    dtype = take_dtype(spec, options, device)
    where: dict[str, Any] = {"local_files_only": local_files_only}
    extractor = load_part(spec, "a CTC model", Wav2Vec2FeatureExtractor, name, **where)
    tokenizer = load_part(spec, "a CTC model", Wav2Vec2CTCTokenizer, name, **where)
    model = load_model(spec, "a CTC model", AutoModelForCTC, name, device, head="lm_head", dtype=dtype, **where)
    if extractor.sampling_rate != SAMPLE_RATE:
        raise VictimError(f"hf:{name}: wants {extractor.sampling_rate} Hz audio; only {SAMPLE_RATE} Hz models are supported")
    config = model.config
    # Group norm in the first layer averages over the padding too: only layer-norm models may be batched with a mask.
    masked = config.feat_extract_norm == "layer"
    victim = CTCVictim(
        emissions_of(model, normalize=bool(extractor.do_normalize), masked=masked),
        _vocabulary(name, tokenizer, config.vocab_size),
        device,
        batched=masked,
        min_samples=_field(config.conv_kernel, config.conv_stride),
        decode=lambda ids: str(tokenizer.decode(ids)),
        facts={
            "model": name,
            "model_type": config.model_type,
            "weights_sha256": _digests(name),
            "precision": precision(stored_dtype(name), dtype),
        },
    )
    victim.language = language_code((options or {}).get("language", "en"), f"hf:{name}")
    return victim


def _digests(name: str) -> dict[str, str] | None:
    """SHA-256 of a local folder's weights; a hub id's are in the cache under their own digests."""
    folder = Path(name)
    return {path.name: file_sha256(path) for path in sorted(folder.glob("*.safetensors"))} if folder.is_dir() else None


def _vocabulary(name: str, tokenizer: Any, size: int) -> Vocabulary:
    """The tokenizer's tokens by output index; outputs without a token stay empty."""
    tokens = [""] * size
    for token, index in tokenizer.get_vocab().items():
        if index < size:
            tokens[index] = token
    blank = tokenizer.pad_token_id
    if blank is None or not 0 <= blank < size:
        raise VictimError(
            f"hf:{name}: its tokenizer names no padding token, which is the CTC blank; set pad_token in tokenizer_config.json"
        )
    delimiter = tokenizer.word_delimiter_token
    return Vocabulary(tuple(tokens), blank=int(blank), delimiter=delimiter if delimiter in tokens else None)


def _field(kernels: list[int], strides: list[int]) -> int:
    """Receptive field of a stack of convolutions, in samples: the shortest clip that gives one frame."""
    field = 1
    for index, kernel in enumerate(kernels):
        field += (kernel - 1) * math.prod(strides[:index])
    return field
