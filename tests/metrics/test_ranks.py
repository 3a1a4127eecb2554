"""Percentiles by nearest rank."""

from __future__ import annotations

from voiceattack.metrics.ranks import p50, p95


def test_they_are_values_met() -> None:
    assert p50([3.0, 1.0, 2.0]) == 2.0 and p50([4.0, 1.0, 2.0, 3.0]) == 2.0
    assert p95([5.0]) == 5.0 and p95([1.0, 9.0, 2.0]) == 9.0
    assert p95([float(n) for n in range(1, 101)]) == 95.0
