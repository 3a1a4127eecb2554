"""Size of a perturbation, from samples alone. All take (clean, adversarial), float (samples,), full scale 1, same length."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from voiceattack.metrics.metric import EVERYWHERE, Column, Metric

__all__ = ["DB_X", "L2", "LINF", "SEG_SNR_DB", "SNR_DB", "db_x", "l2", "linf", "seg_snr_db", "snr_db"]

FRAME_SECONDS = 0.020
SEG_FLOOR_DB, SEG_CEILING_DB = -10.0, 35.0


def _delta(clean: Tensor, adversarial: Tensor) -> tuple[Tensor, Tensor]:
    """Clean and perturbation in float64.

    Raises:
        ValueError: shapes differ, or there are no samples.
    """
    if clean.shape != adversarial.shape or clean.ndim != 1 or clean.numel() == 0:
        raise ValueError(f"need two signals of one shape (samples,), got {tuple(clean.shape)} and {tuple(adversarial.shape)}")
    reference = clean.detach().double()
    return reference, adversarial.detach().double() - reference


def snr_db(clean: Tensor, adversarial: Tensor) -> float:
    """Signal-to-noise ratio ``10 log10(sum clean^2 / sum delta^2)`` in dB; inf without perturbation, -inf on silence."""
    reference, delta = _delta(clean, adversarial)
    signal, noise = float(reference.square().sum()), float(delta.square().sum())
    if noise == 0.0:
        return math.inf
    return 10.0 * math.log10(signal / noise) if signal > 0 else -math.inf


def seg_snr_db(clean: Tensor, adversarial: Tensor, sample_rate: int = 16_000) -> float:
    """Segmental SNR in dB: the mean over 20 ms frames, each clamped to [-10, 35] dB (Quackenbush et al. 1988).

    Frames whose clean audio is digital silence are left out; inf without perturbation, nan when no frame is left.
    """
    reference, delta = _delta(clean, adversarial)
    if float(delta.abs().max()) == 0.0:
        return math.inf
    size = max(1, round(FRAME_SECONDS * sample_rate))
    frames = max(1, reference.numel() // size)
    usable = min(reference.numel(), frames * size)
    signal = reference[:usable].reshape(frames, -1).square().sum(dim=1)
    noise = delta[:usable].reshape(frames, -1).square().sum(dim=1)
    heard = signal > 0
    if not bool(heard.any()):
        return math.nan
    ratios = 10.0 * torch.log10(signal[heard] / noise[heard].clamp(min=1e-30))
    return float(ratios.clamp(SEG_FLOOR_DB, SEG_CEILING_DB).mean())


def linf(clean: Tensor, adversarial: Tensor) -> float:
    """Largest change of a sample, as a fraction of full scale, in [0, 2]."""
    return float(_delta(clean, adversarial)[1].abs().max())


def l2(clean: Tensor, adversarial: Tensor) -> float:
    """Euclidean norm of the perturbation, >= 0."""
    return float(_delta(clean, adversarial)[1].norm())


def db_x(clean: Tensor, adversarial: Tensor) -> float:
    """Peak of the perturbation relative to the peak of the speech, in dB, usually negative (Carlini & Wagner 2018's dB_x(delta)).

    -inf without perturbation, inf on silence.
    """
    reference, delta = _delta(clean, adversarial)
    peak, change = float(reference.abs().max()), float(delta.abs().max())
    if change == 0.0:
        return -math.inf
    return 20.0 * math.log10(change / peak) if peak > 0 else math.inf


SNR_DB = Metric(
    "snr_db",
    snr_db,
    "SNR",
    unit="dB",
    meaning="Signal-to-noise ratio: how much louder the speech is than the change; 20 dB is ten times, 40 dB a hundred times.",
    digits=1,
    better="higher",
    shows=EVERYWHERE - {"size"},
    columns={"facts": Column(digits=2)},
)
SEG_SNR_DB = Metric(
    "seg_snr_db",
    seg_snr_db,
    "segmental SNR",
    meaning="The signal-to-noise ratio as the mean over short frames, so that soft passages count as much as loud ones.",
    unit="dB",
    better="higher",
    shows=frozenset({"results", "size", "facts", "at"}),
)
LINF = Metric(
    "linf",
    linf,
    "peak change (L-inf)",
    meaning="The largest change of any sample; full scale is 1.",
    unit="of full scale",
    digits=4,
    better="lower",
    shows=frozenset({"results", "summary", "size", "facts", "export", "at"}),
    columns={"facts": Column(digits=5)},
)
L2 = Metric(
    "l2",
    l2,
    "L2",
    better="lower",
    shows=frozenset({"results", "size", "facts", "at"}),
    columns={"facts": Column(digits=3)},
)
DB_X = Metric(
    "db_x",
    db_x,
    "dB_x",
    unit="dB",
    meaning="The peak of the change relative to the peak of the speech; -30 is thirty decibels softer.",
    heading="dB_x",
    digits=1,
    better="lower",
    shows=frozenset({"results", "summary", "figures", "size", "facts", "export", "at"}),
    columns={"size": Column(digits=2)},
)
