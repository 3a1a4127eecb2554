"""Metrics: pure functions of signals and strings. One file or function and one registration line each."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from voiceattack.errors import MissingExtraError
from voiceattack.registry import Registry

__all__ = ["METRICS", "TEXT_METRICS", "measure"]

METRICS: Registry[Any] = Registry("metric", group="voiceattack.metrics")

TEXT_METRICS = ("wer", "cer", "critical_term_error_rate")
METRICS.add("wer", "voiceattack.metrics.text:wer", "word error rate, of transcripts")
METRICS.add("cer", "voiceattack.metrics.text:cer", "character error rate, of transcripts")
METRICS.add(
    "critical_term_error_rate",
    "voiceattack.metrics.terms:critical_term_error_rate",
    "share of the names and domain words said that are not heard",
)
METRICS.add("snr_db", "voiceattack.metrics.signal:snr_db", "signal-to-noise ratio, dB")
METRICS.add("seg_snr_db", "voiceattack.metrics.signal:seg_snr_db", "segmental signal-to-noise ratio, dB")
METRICS.add("linf", "voiceattack.metrics.signal:linf", "largest change of a sample, fraction of full scale")
METRICS.add("l2", "voiceattack.metrics.signal:l2", "Euclidean norm of the perturbation")
METRICS.add("db_x", "voiceattack.metrics.signal:db_x", "peak of the perturbation under the peak of the speech, dB")
METRICS.add("pesq", "voiceattack.metrics.perceptual:pesq", "wide-band PESQ, 1 to 4.64", requires="perceptual")
METRICS.add("stoi", "voiceattack.metrics.perceptual:stoi", "short-time objective intelligibility, up to 1", requires="perceptual")
METRICS.add("masking_excess_db", "voiceattack.metrics.masking:masking_excess_db", "mean dB above the masking threshold, >= 0")
METRICS.add(
    "masking_excess_share", "voiceattack.metrics.masking:masking_excess_share", "share of bins above that threshold, 0 to 1"
)


def measure(clean: Tensor, adversarial: Tensor) -> tuple[dict[str, float | None], dict[str, str]]:
    """Every registered metric of signals (not of transcripts) of one pair at 16 kHz; never raises for an undefined one.

    Args:
        clean: float (samples,).
        adversarial: float (samples,).

    Returns:
        Values by name, None where undefined, and the reason for each None.
    """
    values: dict[str, float | None] = {}
    nulls: dict[str, str] = {}
    if clean.shape != adversarial.shape:
        reason = f"clean and adversarial differ in length ({clean.numel()} and {adversarial.numel()} samples)"
        names = [name for name in METRICS.names() if name not in TEXT_METRICS]
        return dict.fromkeys(names), dict.fromkeys(names, reason)
    silent = not bool((clean != 0).any())
    for name in METRICS.names():
        if name in TEXT_METRICS:
            continue
        try:
            value = METRICS.get(name)(clean, adversarial)
        except (MissingExtraError, ValueError) as error:
            values[name], nulls[name] = None, str(error)
            continue
        if math.isfinite(value):
            values[name] = value
        else:
            values[name] = None
            nulls[name] = "the clean clip is digital silence" if silent else "the perturbation is zero"
    return values, nulls
