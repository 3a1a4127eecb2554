"""How far a recogniser falls as speech gets worse: figures of Speech Robust Bench (Shah et al. 2024) and of hearing tests."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence

__all__ = ["PESQ_RANGE", "nwerd", "quality_loss", "snr_at_wer", "werd", "werv"]

PESQ_RANGE = (1.04, 4.64)
"""Least and most that wide-band PESQ (ITU-T P.862.2) gives."""


def werd(wer: float, wer_clean: float) -> float:
    """Word error rate degradation: what was added to the clean clips' WER."""
    return wer - wer_clean


def quality_loss(pesq: float) -> float:
    """Share of PESQ's range that is lost, in [0, 1]: 0 is the clean clip, 1 the worst."""
    worst, best = PESQ_RANGE
    return min(1.0, max(0.0, (best - pesq) / (best - worst)))


def nwerd(werds: Sequence[float], losses: Sequence[float]) -> float:
    """Normalised WER degradation over severities: ``sum(WERD) / sum(quality loss)``.

    1 is a recogniser that adds as much WER as the speech loses of its quality; the lower, the more robust. The source divides by
    the mean of DNSMOS and PESQ, each made a z-score over all its corruptions; here PESQ alone counts, over its fixed range, so
    that the figure of one corruption does not depend on which others were run. It is not to be compared with the source's tables.

    Args:
        werds: :func:`werd` of each severity.
        losses: :func:`quality_loss` of each severity.

    Raises:
        ValueError: unequal or empty lists, or nothing was lost.
    """
    if len(werds) != len(losses) or not werds:
        raise ValueError(f"need as many degradations as losses, at least one; got {len(werds)} and {len(losses)}")
    if sum(losses) <= 0:
        raise ValueError("no quality was lost, so there is nothing to divide by")
    return sum(werds) / sum(losses)


def werv(wers: Sequence[float]) -> float:
    """WER variance: the variance, over draws of one corruption at one severity, of the WER on the whole set (divisor: the draws).

    Raises:
        ValueError: fewer than two draws.
    """
    if len(wers) < 2:
        raise ValueError(f"a variance needs two draws or more, got {len(wers)}")
    return statistics.pvariance(wers)


def snr_at_wer(snrs_db: Sequence[float], wers: Sequence[float], level: float = 0.5) -> float | None:
    """The highest SNR in dB at which WER rises through ``level`` as noise grows, linear between the points measured.

    Args:
        snrs_db: in any order, each once.
        wers: one each.
        level: of the WER.

    Returns:
        None when it does not cross: below at every SNR, or not below at the highest.

    Raises:
        ValueError: unequal lists.
    """
    points = sorted(zip(snrs_db, wers, strict=True), reverse=True)
    for (quiet, before), (loud, after) in itertools.pairwise(points):
        if before < level <= after:
            return quiet + (level - before) / (after - before) * (loud - quiet)
    return None
