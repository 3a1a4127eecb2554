"""Moonshine's weights out of ONNX Runtime's files, as transformers names them.

Linear layers and embeddings are stored as int8, with a scale and what zero stands for in each tensor; the operations' names say
whose they are, since equal tensors share one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from voiceattack.errors import VictimError
from voiceattack.victims.moonshine.ort_file import OrtGraph, read_ort

__all__ = ["moonshine_state_dict"]

LAYER = re.compile(r"/(?:model/decoder/)?((?:layers\.\d+/)?(?:self_attn/|encoder_attn/|mlp/)?\w+)/(MatMul|Mul|Add)(?:_\d+)?")
RENAMED = {"dense": "o_proj", "up_proj": "fc1", "down_proj": "fc2"}
NORMS = ("layernorm", "layer_norm", "norm")
CONVOLUTIONS = ("conv1", "conv2", "conv3")


def moonshine_state_dict(encoder: Path, decoder: Path) -> dict[str, Tensor]:
    """Float32 weights of a ``MoonshineForConditionalGeneration``, the tied output layer left out.

    Args:
        encoder: ``encoder_model.ort``.
        decoder: ``decoder_model_merged.ort``, whose two branches share their weights.

    Raises:
        VictimError: a file is damaged or holds another model.
    """
    found: dict[str, Tensor] = {}
    first = read_ort(encoder)
    found |= {f"model.encoder.{name}": value for name, value in (*_linear(first), *_convolutions(first))}
    second = read_ort(decoder)
    found |= {f"model.decoder.{name}": value for name, value in _linear(second)}
    found["model.decoder.embed_tokens.weight"] = _embedding(second, decoder)
    return found


def _linear(graph: OrtGraph) -> Iterator[tuple[str, Tensor]]:
    """Weights and biases of linear layers, and weights of norms."""
    for node in graph.nodes:
        matched = LAYER.fullmatch(node.name)
        if matched is None or matched[1].endswith("rotary_emb"):
            continue
        layer, kind = matched[1].replace("/", "."), matched[2]
        first, _, last = layer.rpartition(".")
        layer = f"{first}.{RENAMED.get(last, last)}" if first else last
        if kind == "MatMul" and (weight := _stored(graph, node.inputs)) is not None:
            yield f"{layer}.weight", weight.T.contiguous()
        elif kind == "Add" and ".mlp." in layer and (bias := _plain(graph, node.inputs, 1)) is not None:
            yield f"{layer}.bias", bias
        elif kind == "Mul" and layer.endswith(NORMS) and (scale := _plain(graph, node.inputs, 1)) is not None:
            yield f"{layer}.weight", scale


def _convolutions(graph: OrtGraph) -> Iterator[tuple[str, Tensor]]:
    for name in CONVOLUTIONS:
        weight = _stored(graph, (f"{name}.weight_add_tensor",))
        if weight is not None:
            yield f"{name}.weight", weight
        if (bias := graph.tensors.get(f"{name}.bias")) is not None:
            yield f"{name}.bias", torch.from_numpy(np.array(bias, dtype=np.float32))
    for node in graph.nodes:
        if node.name.startswith("/groupnorm/") and (value := _plain(graph, node.inputs, 2)) is not None:
            yield f"groupnorm.{'weight' if node.kind == 'Mul' else 'bias'}", value.flatten()


def _embedding(graph: OrtGraph, path: Path) -> Tensor:
    for node in graph.nodes:
        if node.kind == "Gather" and node.name.endswith("/embed_tokens/Gather"):
            found = _stored(graph, node.inputs)
            if found is not None:
                return found
    raise VictimError(f"{path}: holds no embeddings of tokens")


def _stored(graph: OrtGraph, inputs: tuple[str, ...]) -> Tensor | None:
    """The dequantised tensor among the inputs, float32; None where none is stored."""
    for name in inputs:
        base = name.removesuffix("_add_tensor")
        values = graph.tensors.get(f"{base}_quantized")
        if values is None:
            continue
        scale, zero = graph.tensors[f"{base}_scale"], graph.tensors[f"{base}_zero_point"]
        return torch.from_numpy(values.astype(np.float32) * scale.astype(np.float32) + zero.astype(np.float32))
    return None


def _plain(graph: OrtGraph, inputs: tuple[str, ...], axes: int) -> Tensor | None:
    """The tensor of floats with so many axes among the inputs."""
    for name in inputs:
        value = graph.tensors.get(name)
        if value is not None and value.dtype == np.float32 and value.ndim == axes and value.size > 1:
            return torch.from_numpy(np.array(value))
    return None
