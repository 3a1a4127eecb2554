"""Read Whisper weights from CTranslate2's documented binary into transformers' names, without importing either engine."""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from voiceattack.errors import VictimError
from voiceattack.files import open_regular

__all__ = ["Sizes", "read_binary", "sizes_of", "stored_as", "whisper_state_dict"]

_DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16, 5: np.int16}
_BFLOAT16 = 5
AGAIN = "convert the model again with ct2-transformers-converter"


@dataclass(frozen=True)
class Sizes:
    """What the shapes of the weights say of a Whisper."""

    vocabulary: int
    mels: int
    width: int
    encoder_layers: int
    decoder_layers: int
    encoder_heads: int
    decoder_heads: int
    encoder_inner: int
    decoder_inner: int
    source_positions: int
    target_positions: int


def read_binary(spec: str, parts: Sequence[Path]) -> dict[str, Tensor]:
    """All variables of a CTranslate2 ``model.bin`` (binary version 6), aliases resolved.

    Args:
        spec: of the victim, for messages.
        parts: the file, or its pieces in order.

    Raises:
        VictimError: it is no such binary, or ends early.
    """
    try:
        with contextlib.ExitStack() as stack:
            stream = _Joined([stack.enter_context(open_regular(part)) for part in parts])
            version = _unpack(stream, "<I")
            if version != 6:
                raise VictimError(f"{spec}: model.bin has CTranslate2's binary version {version}, expected 6; {AGAIN}")
            _string(stream)  # the specification's name
            _unpack(stream, "<I")  # its revision
            variables = dict(_variable(stream) for _ in range(_unpack(stream, "<I")))
            for _ in range(_unpack(stream, "<I")):
                alias = _string(stream)
                variables[alias] = variables[_string(stream)]
            return variables
    except (struct.error, KeyError, ValueError, OSError, UnicodeDecodeError) as error:
        raise VictimError(f"{spec}: model.bin cannot be read as a CTranslate2 model ({error}); {AGAIN}") from error


class _Joined:
    """Several streams read as one."""

    def __init__(self, streams: Sequence[BinaryIO]) -> None:
        self._left = list(streams)

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes; raises ValueError where there are fewer."""
        found = bytearray()
        while len(found) < size:
            # In blocks: a damaged size must not take memory that no file fills.
            block = self._left[0].read(min(size - len(found), 1 << 26)) if self._left else b""
            if not block and not self._left:
                raise ValueError("it ends early")
            if not block:
                self._left.pop(0)
            found += block
        return bytes(found)


def _unpack(stream: _Joined, form: str) -> int:
    return int(struct.unpack(form, stream.read(struct.calcsize(form)))[0])


def _string(stream: _Joined) -> str:
    return stream.read(_unpack(stream, "<H")).rstrip(b"\x00").decode("utf-8")


def _variable(stream: _Joined) -> tuple[str, Tensor]:
    name = _string(stream)
    shape = [_unpack(stream, "<I") for _ in range(_unpack(stream, "<B"))]
    kind = _unpack(stream, "<B")
    raw = stream.read(_unpack(stream, "<I"))
    found = torch.from_numpy(np.frombuffer(raw, dtype=_DTYPES[kind]).reshape(shape).copy())
    return name, found.view(torch.bfloat16) if kind == _BFLOAT16 else found


def stored_as(variables: Mapping[str, Tensor]) -> str:
    """The type in which most weights are stored, for records."""
    return str(variables["decoder/layer_0/ffn/linear_0/weight"].dtype).removeprefix("torch.")


def sizes_of(spec: str, variables: Mapping[str, Tensor]) -> Sizes:
    """The sizes of a Whisper by its weights' shapes.

    Raises:
        VictimError: they are those of another kind of model.
    """

    def layers(side: str) -> int:
        found = (re.match(rf"{side}/layer_(\d+)/", name) for name in variables)
        return 1 + max(int(one[1]) for one in found if one)

    try:
        vocabulary, width = variables["decoder/embeddings/weight"].shape
        heads = {side: int(variables[f"{side}/num_heads"]) for side in ("encoder", "decoder")}
        found = Sizes(
            vocabulary,
            variables["encoder/conv1/weight"].shape[1],
            width,
            layers("encoder"),
            layers("decoder"),
            heads["encoder"],
            heads["decoder"],
            variables["encoder/layer_0/ffn/linear_0/weight"].shape[0],
            variables["decoder/layer_0/ffn/linear_0/weight"].shape[0],
            variables["encoder/position_encodings/encodings"].shape[0],
            variables["decoder/position_encodings/encodings"].shape[0],
        )
    except (KeyError, ValueError, IndexError) as error:
        raise VictimError(f"{spec}: model.bin is no Whisper ({error}); give a Whisper that CTranslate2 converted") from error
    if min(heads.values()) < 1 or width % heads["encoder"] or width % heads["decoder"]:
        raise VictimError(f"{spec}: model.bin says {heads} attention heads for a width of {width}; {AGAIN}")
    return found


def whisper_state_dict(variables: Mapping[str, Tensor], sizes: Sizes) -> dict[str, Tensor]:
    """Rename CTranslate2's Whisper variables to ``WhisperForConditionalGeneration``'s, in float32.

    Quantised weights are divided by their scale.

    Self-attention stores q, k and v fused and cross-attention k and v; Whisper's k has no bias, so its rows are dropped.
    """
    state: dict[str, Tensor] = {}

    def take(source: str) -> Tensor:
        found = variables[source]
        if found.dtype not in (torch.int8, torch.int16):
            return found.float()
        # One scale a row (int8) or one for all (int16): stored = round(weight x scale).
        scale = variables[f"{source}_scale"].float()
        return found.float() / scale.reshape(-1, *[1] * (found.dim() - 1))

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
    for layer in range(sizes.encoder_layers):
        block(f"encoder/layer_{layer}", f"model.encoder.layers.{layer}")
    state["model.decoder.embed_tokens.weight"] = take("decoder/embeddings/weight")
    state["model.decoder.embed_positions.weight"] = take("decoder/position_encodings/encodings")
    norm("decoder/layer_norm", "model.decoder.layer_norm")
    for layer in range(sizes.decoder_layers):
        source, target = f"decoder/layer_{layer}", f"model.decoder.layers.{layer}"
        block(source, target)
        norm(f"{source}/attention/layer_norm", f"{target}.encoder_attn_layer_norm")
        linear(f"{source}/attention/linear_0", f"{target}.encoder_attn.q_proj")
        split(f"{source}/attention/linear_1", f"{target}.encoder_attn", ["k_proj", "v_proj"])
        linear(f"{source}/attention/linear_2", f"{target}.encoder_attn.out_proj")
    state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"]
    return state
