"""Metrics: pure functions of signals and strings. One file with its :class:`Metric`, and one registration line each.

The order of the lines is that of the columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from voiceattack.errors import MissingExtraError, SpecError, as_error
from voiceattack.metrics.metric import Column, Metric, Place
from voiceattack.registry import Entry, Registry

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["METRICS", "OF_TEXTS", "Column", "Metric", "Place", "columns", "measure", "measure_texts", "metrics"]

Of = Literal["signals", "transcripts", "terms"]
OF_TEXTS: tuple[Of, Of] = ("transcripts", "terms")
METRICS: Registry[Any] = Registry("metric", group="voiceattack.metrics")
"""Where an entry names a plain function of two signals, it is a metric that every table shows."""

METRICS.add("wer", "voiceattack.metrics.text:WER", "word error rate, of transcripts")
METRICS.add("cer", "voiceattack.metrics.text:CER", "character error rate, of transcripts")
METRICS.add(
    "critical_term_error_rate",
    "voiceattack.metrics.terms:CRITICAL_TERM_ERROR_RATE",
    "share of the names and domain words said that are not heard",
)
METRICS.add("snr_db", "voiceattack.metrics.signal:SNR_DB", "signal-to-noise ratio, dB")
METRICS.add("seg_snr_db", "voiceattack.metrics.signal:SEG_SNR_DB", "segmental signal-to-noise ratio, dB")
METRICS.add("linf", "voiceattack.metrics.signal:LINF", "largest change of a sample, fraction of full scale")
METRICS.add("l2", "voiceattack.metrics.signal:L2", "Euclidean norm of the perturbation")
METRICS.add("db_x", "voiceattack.metrics.signal:DB_X", "peak of the perturbation under the peak of the speech, dB")
METRICS.add("pesq", "voiceattack.metrics.perceptual:PESQ", "wide-band PESQ, 1 to 4.64", requires="perceptual")
METRICS.add("stoi", "voiceattack.metrics.perceptual:STOI", "short-time objective intelligibility, up to 1", requires="perceptual")
METRICS.add("dnsmos", "voiceattack.metrics.mos:DNSMOS", "DNSMOS, quality without a reference, 1 to 5", requires="mos")
METRICS.add("dnsmos_drop", "voiceattack.metrics.mos:DNSMOS_DROP", "DNSMOS lost from the clean clip", requires="mos")
METRICS.add("masking_excess_db", "voiceattack.metrics.masking:MASKING_EXCESS_DB", "mean dB above the masking threshold, >= 0")
METRICS.add(
    "masking_excess_share", "voiceattack.metrics.masking:MASKING_EXCESS_SHARE", "share of bins above that threshold, 0 to 1"
)
METRICS.add(
    "masking_excess_max_db",
    "voiceattack.metrics.masking:MASKING_EXCESS_MAX_DB",
    "dB above it in the bin that stands out most, >= 0",
)
METRICS.add(
    "strictly_masked", "voiceattack.metrics.masking:STRICTLY_MASKED", "1 where no bin is above it by more than 0.1 dB, else 0"
)


def metrics() -> list[Metric]:
    """All that are registered, in order.

    Raises:
        SpecError: one is registered under another name than its own.
    """
    return [_loaded(METRICS.entry(name)) for name in METRICS.in_order()]


def columns(place: Place, *of: Of) -> list[Metric]:
    """The metrics that a table shows, in order; only those ``of`` some kinds, where any are given."""
    return [metric for metric in metrics() if place in metric.shows and (not of or metric.of in of)]


@lru_cache(maxsize=256)
def _loaded(entry: Entry) -> Metric:
    try:
        found = METRICS.get(entry.name)
    except Exception as error:  # an installed plug-in may be anybody's code; it costs its own values
        return Metric(entry.name, _refusing(f"it cannot be loaded: {error}"), entry.name, shows=frozenset({"results"}))
    if not isinstance(found, Metric):
        return Metric(entry.name, found, entry.name)
    if found.name != entry.name:
        raise SpecError(f"the metric {found.name!r} is registered as {entry.name!r}; register it under its own name")
    return found


def _refusing(reason: str) -> Callable[..., float]:
    def refuse(*given: Any) -> float:
        raise ValueError(reason)

    return refuse


def measure(clean: Tensor, adversarial: Tensor) -> tuple[dict[str, float | None], dict[str, str]]:
    """Every registered metric of signals (not of transcripts) of one pair at 16 kHz; never raises for an undefined one.

    Args:
        clean: float (samples,).
        adversarial: float (samples,).

    Returns:
        Values by name, None where undefined, and the reason for each None.
    """
    asked = sorted((metric for metric in metrics() if metric.of == "signals"), key=lambda metric: metric.name)
    if clean.shape != adversarial.shape:
        reason = f"clean and adversarial differ in length ({clean.numel()} and {adversarial.numel()} samples)"
        names = [metric.name for metric in asked]
        return dict.fromkeys(names), dict.fromkeys(names, reason)
    silent = not bool((clean != 0).any())
    return _measured(asked, (clean, adversarial), "the clean clip is digital silence" if silent else "the perturbation is zero")


def measure_texts(
    of: Literal["transcripts", "terms"], reference: str, hypothesis: str, *more: Sequence[str] | str
) -> tuple[dict[str, float | None], dict[str, str]]:
    """As :func:`measure`, every registered metric of texts that is over clips; ``more`` are the terms and the language."""
    asked = [metric for metric in metrics() if metric.of == of and metric.over == "clips"]
    return _measured(asked, (reference, hypothesis, *more), "it is not finite")


def _measured(asked: Sequence[Metric], given: tuple[Any, ...], infinite: str) -> tuple[dict[str, float | None], dict[str, str]]:
    values: dict[str, float | None] = {}
    nulls: dict[str, str] = {}
    for metric in asked:
        try:
            value = metric(*given)
            value = value if isinstance(value, (int, float)) else float(value)
            finite = math.isfinite(value)
        except MissingExtraError as error:
            if "results" in metric.shows:  # others are seen only where they were measured
                values[metric.name], nulls[metric.name] = None, str(error)
            continue
        except ValueError as error:
            values[metric.name], nulls[metric.name] = None, str(error)
            continue
        except Exception as error:  # an installed plug-in may be anybody's code; it costs its own values
            values[metric.name], nulls[metric.name] = None, str(as_error(error))
            continue
        if finite:
            values[metric.name] = value
        else:
            values[metric.name], nulls[metric.name] = None, infinite
    return values, nulls
