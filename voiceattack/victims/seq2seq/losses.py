"""Losses of encoder-decoder victims: pure functions of teacher-forced logits and labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from voiceattack.victims.base import AttackLoss, LossConfig

__all__ = ["EOT_PLACES", "IGNORE", "STOP_HEADROOM", "attack_loss", "cross_entropy", "writing_on"]

IGNORE = -100
EOT_PLACES = 3
"""Places, counted from the first at which the decoder may stop, within which ``eot`` wants it to stop."""

STOP_HEADROOM = 6.0
"""Logits by which another token is to be likelier than the end: enough that none of five beams ends either."""


def attack_loss(logits: Tensor, labels: Tensor, config: LossConfig) -> AttackLoss:
    """The loss that an attack minimises; see :class:`~voiceattack.victims.base.LossConfig`.

    Args:
        logits: float (batch, tokens, vocabulary), -inf where the decoder never writes a token.
        labels: int64 (batch, tokens), -100 where padded or not asked; the last token of each row is its end-of-text.
        config: direction, kind, cap, confidence and headroom.
    """
    valid = labels != IGNORE
    counts = valid.sum(dim=1)
    wrong = (logits.detach().argmax(dim=-1) != labels) & valid
    if config.headroom and config.direction == "toward":
        wrong |= (_lead(logits.detach(), labels) < config.headroom) & valid
    loss = _LOSSES[config.kind](logits, labels, config)
    return AttackLoss(loss, matches=~wrong.any(dim=1), distance=wrong.sum(dim=1) / counts)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Per-token cross-entropy in nats, float (batch, tokens), zero where padded."""
    return nn.functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORE, reduction="none")


def _ce(logits: Tensor, labels: Tensor, config: LossConfig) -> Tensor:
    """Mean over tokens, each saturating by itself."""
    tokens = cross_entropy(logits, labels)
    sign = 1.0 if config.direction == "toward" else -1.0
    if config.direction == "away" and config.cap is not None:
        tokens = tokens.clamp(max=config.cap)
    return sign * tokens.sum(dim=1) / (labels != IGNORE).sum(dim=1)


def _margin(logits: Tensor, labels: Tensor, config: LossConfig) -> Tensor:
    """Toward: the head-room missing, summed. Away: the mean lead."""
    valid = labels != IGNORE
    lead = _lead(logits, labels)
    if config.direction == "toward":
        return (torch.relu(config.confidence - lead) * valid).sum(dim=1)
    floor = -config.cap if config.cap is not None else float("-inf")
    return (lead.clamp(min=floor) * valid).sum(dim=1) / valid.sum(dim=1)


def _sequence(logits: Tensor, labels: Tensor, config: LossConfig) -> Tensor:
    """Summed over tokens, saturating as a whole."""
    total = cross_entropy(logits, labels).sum(dim=1)
    if config.direction == "toward":
        return total
    if config.cap is not None:
        total = torch.minimum(total, config.cap * (labels != IGNORE).sum(dim=1))
    return -total


def _eot(logits: Tensor, labels: Tensor, config: LossConfig) -> Tensor:
    """Away: stop early. Toward: stop right after the text, which weighs as much as all of the text."""
    valid = labels != IGNORE
    last = (valid * torch.arange(labels.shape[1], device=labels.device)).amax(dim=1, keepdim=True)
    if config.direction == "toward":
        tokens = cross_entropy(logits, labels)
        end = tokens.gather(1, last).squeeze(1)
        words = (tokens.sum(dim=1) - end) / (valid.sum(dim=1) - 1).clamp(min=1)
        return 0.5 * (words + end)
    stop = labels.gather(1, last).unsqueeze(-1).expand(-1, labels.shape[1], 1)
    scores = logits.log_softmax(dim=-1).gather(-1, stop).squeeze(-1)
    allowed = valid & (scores > float("-inf"))
    allowed = allowed & (allowed.cumsum(dim=1) <= EOT_PLACES)
    scores = scores.masked_fill(~allowed, float("-inf"))
    # log P(not stopping here); kept off log 0 where the decoder is sure to stop.
    onward = torch.log1p(-scores.exp().clamp(max=1 - 1e-6))
    first = scores + onward.cumsum(dim=1) - onward
    return -first.logsumexp(dim=1)


def writing_on(words: Tensor, ends: Tensor) -> Tensor:
    """How far the end is from being out of reach, float (batch,), >= 0: the head-room missing at each place, summed.

    Args:
        words: logits float (batch, places, tokens), -inf where the decoder never writes a token or would end.
        ends: logits float (batch, places) of ending, by end-of-text or by a timestamp.
    """
    return torch.relu(ends - words.amax(dim=-1) + STOP_HEADROOM).sum(dim=1)


def _lead(logits: Tensor, labels: Tensor) -> Tensor:
    """Logit of the labelled token less the best other, float (batch, tokens): positive where the label wins."""
    index = labels.clamp(min=0).unsqueeze(-1)
    wanted = logits.gather(-1, index).squeeze(-1)
    others = logits.scatter(-1, index, float("-inf")).amax(dim=-1)
    return wanted - others


_LOSSES = {"ce": _ce, "margin": _margin, "sequence": _sequence, "eot": _eot}
