"""Time and frequency in real numbers that keep energies: the modified discrete cosine transform, and cells of its plane."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["BINS", "bands", "mdct", "synthesis"]

BINS = 256
"""Coefficients a frame, 31.25 Hz apart at 16 kHz; a frame begins every 16 ms."""


def _basis(like: Tensor) -> Tensor:
    """Sine window and cosines, float (BINS, 2 BINS); rows are orthonormal across frames too (Princen & Bradley 1986)."""
    time = torch.arange(2 * BINS, dtype=torch.float64)
    window = torch.sin(math.pi / (2 * BINS) * (time + 0.5))
    phase = math.pi / BINS * (time + 0.5 + BINS / 2)
    cosines = torch.cos(phase * (torch.arange(BINS, dtype=torch.float64)[:, None] + 0.5))
    return (math.sqrt(2.0 / BINS) * window * cosines).to(like)


def mdct(signal: Tensor) -> Tensor:
    """Coefficients float (frames, BINS) of a signal float (samples,); the sum of squares is the signal's."""
    frames = -(-len(signal) // BINS) + 1
    padded = signal.new_zeros((frames + 1) * BINS)
    padded[BINS : BINS + len(signal)] = signal
    return padded.unfold(0, 2 * BINS, BINS) @ _basis(signal).T


def synthesis(coefficients: Tensor, samples: int) -> Tensor:
    """The signal float (samples,) of coefficients float (frames, BINS): what :func:`mdct` undoes."""
    pieces = coefficients @ _basis(coefficients)
    out = coefficients.new_zeros((len(coefficients) + 1) * BINS)
    out[:-BINS] += pieces[:, :BINS].reshape(-1)
    out[BINS:] += pieces[:, BINS:].reshape(-1)
    return out[BINS : BINS + samples]


def bands(count: int, sample_rate: int) -> list[int]:
    """Edges of ``count`` bands of equal width in mel, as places among the bins, count + 1 of them."""
    top = 2595.0 * math.log10(1.0 + sample_rate / 2 / 700.0)
    hertz = [700.0 * (10.0 ** (top * index / count / 2595.0) - 1.0) for index in range(count + 1)]
    edges = [round(frequency / (sample_rate / 2) * BINS) for frequency in hertz]
    return sorted(set(edges))
