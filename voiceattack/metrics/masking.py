"""How far, and in how much of the sound, a perturbation stands above what the clean audio hides."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from voiceattack.metrics.metric import EVERYWHERE, Column, Metric
from voiceattack.metrics.psychoacoustics import Masking, masking

__all__ = [
    "MASKING_EXCESS_DB",
    "MASKING_EXCESS_MAX_DB",
    "MASKING_EXCESS_SHARE",
    "STRICTLY_MASKED",
    "masking_excess_db",
    "masking_excess_max_db",
    "masking_excess_share",
    "strictly_masked",
]

STRICT_DB = 0.1


def _threshold(clean: Tensor, adversarial: Tensor) -> tuple[Masking, Tensor]:
    if clean.shape != adversarial.shape or clean.ndim != 1 or clean.numel() == 0:
        raise ValueError(f"need two signals of one shape (samples,), got {tuple(clean.shape)} and {tuple(adversarial.shape)}")
    if not bool((clean != 0).any()):
        raise ValueError("the clean clip is digital silence, which hides nothing at no known level")
    with torch.no_grad():
        return _masking_of(clean.double().cpu().numpy().tobytes()), (adversarial.double() - clean.double()).cpu()[None]


@lru_cache(maxsize=2)
def _masking_of(samples: bytes) -> Masking:
    """Of float64 samples. A clean clip is measured against several files in a row, and by both metrics."""
    return masking(torch.frombuffer(bytearray(samples), dtype=torch.float64)[None])


def masking_excess_db(clean: Tensor, adversarial: Tensor) -> float:
    """Mean over time-frequency bins of how far the perturbation stands above the masking threshold, in dB, >= 0.

    Zero means that the model of :func:`voiceattack.metrics.psychoacoustics.masking` hears nothing of it.

    Args:
        clean: float (samples,) at 16 kHz.
        adversarial: float (samples,).

    Raises:
        ValueError: shapes differ, or the clean clip is digital silence.
    """
    threshold, delta = _threshold(clean, adversarial)
    return float(threshold.excess_db(delta).mean())


def masking_excess_share(clean: Tensor, adversarial: Tensor) -> float:
    """Share of time-frequency bins, in [0, 1], where the perturbation stands above the masking threshold.

    Args, Raises: as :func:`masking_excess_db`.
    """
    threshold, delta = _threshold(clean, adversarial)
    return float((threshold.excess_db(delta) > 0).double().mean())


def masking_excess_max_db(clean: Tensor, adversarial: Tensor) -> float:
    """How far the perturbation stands above the masking threshold in the time-frequency bin where it does most, in dB, >= 0.

    Args, Raises: as :func:`masking_excess_db`.
    """
    threshold, delta = _threshold(clean, adversarial)
    return float(threshold.excess_db(delta).max())


def strictly_masked(clean: Tensor, adversarial: Tensor) -> float:
    """1 where no time-frequency bin of the perturbation stands more than 0.1 dB above the masking threshold, else 0.

    Args, Raises: as :func:`masking_excess_db`.
    """
    return float(masking_excess_max_db(clean, adversarial) <= STRICT_DB)


MASKING_EXCESS_DB = Metric(
    "masking_excess_db",
    masking_excess_db,
    "masking excess",
    unit="dB",
    better="lower",
    shows=EVERYWHERE - {"console", "examples", "gates"},
    columns={"html": Column("Masking excess dB"), "list": Column("Excess dB"), "facts": Column(digits=3)},
)
MASKING_EXCESS_SHARE = Metric(
    "masking_excess_share",
    masking_excess_share,
    "bins above the threshold",
    better="lower",
    shows=frozenset({"size", "facts"}),
    columns={"facts": Column(digits=3)},
)
MASKING_EXCESS_MAX_DB = Metric(
    "masking_excess_max_db",
    masking_excess_max_db,
    "highest masking excess",
    unit="dB",
    better="lower",
    shows=EVERYWHERE - {"console", "html", "examples", "list"},
)
STRICTLY_MASKED = Metric(
    "strictly_masked",
    strictly_masked,
    "strictly masked",
    digits=0,
    better="higher",
    shows=frozenset({"results", "facts", "at"}),
)
