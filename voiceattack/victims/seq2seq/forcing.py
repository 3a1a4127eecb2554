"""Teacher forcing: what a decoder is fed, and what it is to write at each place."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from voiceattack.victims.seq2seq.losses import IGNORE

__all__ = ["forced"]


def forced(prompt: Sequence[int], script: Sequence[tuple[Sequence[int], Sequence[int]]], end: int) -> tuple[Tensor, Tensor]:
    """Decoder ids int64 (batch, len(prompt) + width - 1), and labels int64 (batch, width), -100 where padded.

    The logits from the prompt's last place on are those of the labels.

    Args:
        prompt: ids before the first word, the same for all.
        script: of each clip the tokens fed after the prompt, and the labels, one longer.
        end: end-of-text, fed where a row is shorter than others.
    """
    width = max(len(wanted) for _, wanted in script)
    labels = torch.full((len(script), width), IGNORE, dtype=torch.int64)
    inputs = torch.full((len(script), len(prompt) + width - 1), end, dtype=torch.int64)
    for index, (said, wanted) in enumerate(script):
        labels[index, : len(wanted)] = torch.tensor(wanted, dtype=torch.int64)
        inputs[index, : len(prompt)] = torch.tensor(prompt)
        inputs[index, len(prompt) : len(prompt) + len(said)] = torch.tensor(said, dtype=torch.int64)
    return inputs, labels
