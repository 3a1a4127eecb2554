"""A perturbation as 16-bit audio that holds its budget after rounding too."""

from __future__ import annotations

from torch import Tensor

from voiceattack.audio.clips import Batch, quantize16
from voiceattack.constraints import Budget

__all__ = ["rounded_within"]

TRIES = 8
"""Times that a perturbation is scaled down before it is rounded toward the clean clip."""


def rounded_within(budget: Budget, delta: Tensor, clean: Batch) -> Tensor:
    """Perturbed waveforms float (batch, samples) on the 16-bit grid and within budget.

    Rounding adds up to half a step of noise, which can break a budget that the float perturbation held: such a perturbation is
    scaled down by what it exceeds, and in the last resort rounded toward the clean clip, or left out.

    Args:
        budget: limits.
        delta: the perturbation, float (batch, samples); it is projected first.
        clean: the clips, on the 16-bit grid.
    """
    delta = budget.project(delta.detach(), clean)
    rounded = quantize16(clean.waveforms + delta)
    for index in range(len(clean)):
        length = int(clean.lengths[index])
        original = clean.waveforms[index, :length]
        rounded[index, :length] = budget.rounded(delta[index, :length], original)
        shrink = 1.0
        for _ in range(TRIES):
            excess = budget.excess(original, rounded[index, :length])
            if excess <= 1.0:
                break
            shrink *= 0.9999 / excess
            rounded[index, :length] = budget.rounded(delta[index, :length] * shrink, original)
        else:
            inward = (delta[index] * 32768.0).trunc() / 32768.0
            rounded[index] = quantize16(clean.waveforms[index] + inward)
            if budget.excess(original, rounded[index, :length]) > 1.0:
                rounded[index] = clean.waveforms[index]
    return rounded
