"""Whisper teacher-forced, with gradients, over the frames that matter.

Whisper always hears 30 s. In a clip of 6 s four fifths of the encoder's positions hold silence whose states hardly change while a
search perturbs the speech. Here those positions' keys and values, in the encoder's self-attention and in the decoder's
cross-attention, are computed once and kept for some steps; only the clip's own positions are computed afresh and differentiated.
What an attack finds so is approximate, and counts only once the ordinary path over the full window has heard it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

__all__ = ["Context", "decode", "encode", "remember"]

MARGIN = 8  # positions of 20 ms past the clip's end that are still computed afresh


@dataclass(frozen=True)
class Context:
    """Keys and values of the positions from ``front`` on, each float (batch, heads, positions, width) and without gradients.

    Attributes:
        front: positions computed afresh.
        encoder: one pair a layer of the encoder.
        decoder: one pair a layer of the decoder.
    """

    front: int
    encoder: tuple[tuple[Tensor, Tensor], ...]
    decoder: tuple[tuple[Tensor, Tensor], ...]

    def select(self, rows: Tensor) -> Context:
        """The context of some clips; of one clip several times, one copy, which serves all of its candidates."""
        if len(rows) > 1 and bool((rows == rows[0]).all()):
            rows = rows[:1]
        if torch.equal(rows, torch.arange(len(self.encoder[0][0]), device=rows.device)):
            return self
        return Context(
            self.front,
            tuple((keys[rows], values[rows]) for keys, values in self.encoder),
            tuple((keys[rows], values[rows]) for keys, values in self.decoder),
        )


def front_of(model: Any, samples: int) -> int:
    """How many of the encoder's positions a clip of ``samples`` touches, a margin included; at most the whole window."""
    return min(int(model.config.max_source_positions), -(-samples // 320) + MARGIN)


def encode(model: Any, features: Tensor, context: Context | None = None) -> Tensor:
    """Encoder states float (batch, positions, width) from features float (batch, mels, frames).

    Args:
        model: a ``WhisperForConditionalGeneration``.
        features: of the whole window, or of ``2 * context.front + 2`` frames at least.
        context: what the positions from its ``front`` on hold; None computes all that ``features`` cover.
    """
    encoder = model.model.encoder
    states = _embed(encoder, features, None if context is None else context.front)
    for index, layer in enumerate(encoder.layers):
        kept = None if context is None else context.encoder[index]
        states = _encoder_layer(layer, states, kept)[0]
    output: Tensor = encoder.layer_norm(states)
    return output


def remember(model: Any, features: Tensor, front: int) -> Context:
    """The context of clips from the features of their whole window; costs one pass without gradients."""
    with torch.no_grad():
        encoder = model.model.encoder
        states = _embed(encoder, features, None)
        kept = []
        for layer in encoder.layers:
            states, keys, values = _encoder_layer(layer, states, None)
            kept.append((keys[:, :, front:].clone(), values[:, :, front:].clone()))
        rest = encoder.layer_norm(states)[:, front:]
        crossed = [_keys_values(layer.encoder_attn, rest) for layer in model.model.decoder.layers]
        return Context(front, tuple(kept), tuple(crossed))


def decode(model: Any, states: Tensor, ids: Tensor, first: int, context: Context | None = None) -> Tensor:
    """Teacher-forced logits float (batch, tokens - first, vocabulary).

    Args:
        model: a ``WhisperForConditionalGeneration``.
        states: what :func:`encode` gave, float (batch, positions, width); of one clip, (1, positions, width), for all rows alike.
        ids: int64 (batch, tokens) that the decoder is fed.
        first: position of the first logits wanted.
        context: as for :func:`encode`.
    """
    decoder = model.model.decoder
    positions = torch.arange(ids.shape[1], device=ids.device)
    hidden = decoder.embed_tokens(ids) + decoder.embed_positions.weight[positions]
    for index, layer in enumerate(decoder.layers):
        kept = None if context is None else context.decoder[index]
        normed = layer.self_attn_layer_norm(hidden)
        hidden = hidden + _attend(layer.self_attn, normed, *_keys_values(layer.self_attn, normed), causal=True)
        normed = layer.encoder_attn_layer_norm(hidden)
        crossed = [part.expand(len(ids), -1, -1, -1) for part in _keys_values(layer.encoder_attn, states)]
        hidden = hidden + _attend(layer.encoder_attn, normed, crossed[0], crossed[1], kept)
        hidden = hidden + layer.fc2(layer.activation_fn(layer.fc1(layer.final_layer_norm(hidden))))
    logits: Tensor = model.proj_out(decoder.layer_norm(hidden[:, first:]))
    return logits.float()


def _embed(encoder: Any, features: Tensor, front: int | None) -> Tensor:
    # Features are float32; the model may compute in half precision.
    states = torch.nn.functional.gelu(encoder.conv1(features.to(encoder.conv1.weight.dtype)))
    states = torch.nn.functional.gelu(encoder.conv2(states)).transpose(1, 2)
    states = states if front is None else states[:, :front]
    embedded: Tensor = states + encoder.embed_positions.weight[: states.shape[1]]
    return embedded


def _encoder_layer(layer: Any, states: Tensor, kept: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor, Tensor]:
    """The layer's output and its own keys and values."""
    normed = layer.self_attn_layer_norm(states)
    keys, values = _keys_values(layer.self_attn, normed)
    states = states + _attend(layer.self_attn, normed, keys, values, kept)
    states = states + layer.fc2(layer.activation_fn(layer.fc1(layer.final_layer_norm(states))))
    return states, keys, values


def _heads(attention: Any, flat: Tensor) -> Tensor:
    batch, positions, _ = flat.shape
    return flat.view(batch, positions, attention.num_heads, -1).transpose(1, 2)


def _keys_values(attention: Any, states: Tensor) -> tuple[Tensor, Tensor]:
    return _heads(attention, attention.k_proj(states)), _heads(attention, attention.v_proj(states))


def _attend(
    attention: Any,
    states: Tensor,
    keys: Tensor,
    values: Tensor,
    kept: tuple[Tensor, Tensor] | None = None,
    causal: bool = False,
) -> Tensor:
    queries = _heads(attention, attention.q_proj(states))
    if kept is None:
        mixed = scaled_dot_product_attention(queries, keys, values, is_causal=causal)
    else:
        mixed = _KeptAttention.apply(queries, keys, values, *kept)
    output: Tensor = attention.out_proj(mixed.transpose(1, 2).flatten(2))
    return output


def _across(left: Tensor, right: Tensor) -> Tensor:
    """``left @ right``, float (batch, heads, rows, width), without copying a ``right`` that all of the batch share."""
    if len(right) == len(left):
        return left @ right
    batch, heads, rows, _ = left.shape
    joined = left.transpose(0, 1).reshape(heads, batch * rows, -1) @ right[0]
    return joined.view(heads, batch, rows, -1).transpose(0, 1)


class _KeptAttention(torch.autograd.Function):
    """Attention over positions computed afresh and positions that are kept, which take part in the softmax and get no gradient.

    Joining both and calling the library's attention gives the same numbers, but copies the kept part at every step and computes
    gradients of it that nobody wants: on clips of 3 s more than half of a step.
    """

    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, values: Tensor, kept_keys: Tensor, kept_values: Tensor) -> Tensor:
        queries = queries * queries.shape[-1] ** -0.5
        fresh = queries @ keys.transpose(-1, -2)
        kept = _across(queries, kept_keys.transpose(-1, -2))
        # One softmax over both parts, in place.
        most = torch.maximum(fresh.amax(dim=-1, keepdim=True), kept.amax(dim=-1, keepdim=True))
        fresh.sub_(most).exp_()
        kept.sub_(most).exp_()
        whole = fresh.sum(dim=-1, keepdim=True) + kept.sum(dim=-1, keepdim=True)
        mixed = (fresh @ values + _across(kept, kept_values)) / whole
        ctx.save_for_backward(queries, keys, values, kept_keys, kept_values, fresh, kept, whole, mixed)
        return mixed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        queries, keys, values, kept_keys, kept_values, fresh, kept, whole, mixed = ctx.saved_tensors
        (gradient,) = gradients
        shared = (gradient * mixed).sum(dim=-1, keepdim=True)
        scaled = gradient / whole
        to_values = fresh.transpose(-1, -2) @ scaled
        to_fresh = (gradient @ values.transpose(-1, -2)).sub_(shared).mul_(fresh).div_(whole)
        to_kept = (gradient @ kept_values.transpose(-1, -2)).sub_(shared).mul_(kept).div_(whole)
        to_keys = to_fresh.transpose(-1, -2) @ queries
        to_queries = (to_fresh @ keys + to_kept @ kept_keys) * queries.shape[-1] ** -0.5
        return to_queries, to_keys, to_values, None, None
