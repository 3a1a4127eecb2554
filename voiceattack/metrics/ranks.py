"""Percentiles that are values met: of few clips p95 is the greatest."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["p50", "p95"]


def p50(values: Sequence[float]) -> float:
    """The least of ``values``, at least one, that half of them do not exceed."""
    return _rank(values, 0.5)


def p95(values: Sequence[float]) -> float:
    """The least of ``values``, at least one, that 95% of them do not exceed; of fewer than 20 values the greatest."""
    return _rank(values, 0.95)


def _rank(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return float(ordered[max(0, math.ceil(share * len(ordered)) - 1)])
