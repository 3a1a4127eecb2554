"""Robustness curves as SVG geometry: points computed here, drawn and coloured by the template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from voiceattack.evaluate.curve import Curve
from voiceattack.report.curve import labels

__all__ = ["charts"]

WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 30


def charts(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """Two charts, success and WER against SNR; each: title, ticks, and lines with their interval bands and noise. Pixels."""
    levels = sorted({point["snr_db"] for curve in curves for point in curve.points})
    if len(levels) < 2:
        return []
    most = max((point["wer"] or 0.0 for curve in curves for point in curve.points), default=1.0)
    # One clip on which a recogniser repeats itself without end would flatten all the rest.
    pairs = [("Share of clips fooled", "success_rate", "success_ci95", "noise_success_rate", 1.0)]
    pairs.append(("Word error rate", "wer", "wer_ci95", "noise_wer", min(3.0, max(1.0, 1.1 * most))))
    return [_chart(curves, levels, *pair) for pair in pairs]


def _chart(
    curves: Sequence[Curve], levels: Sequence[float], title: str, value: str, interval: str, noise: str, top: float
) -> dict[str, Any]:
    low, high = levels[0], levels[-1]

    def across(snr_db: float) -> float:
        return round(LEFT + (snr_db - low) / (high - low) * (WIDTH - LEFT - RIGHT), 1)

    def down(share: float) -> float:
        return round(TOP + (1 - min(share, top) / top) * (HEIGHT - TOP - BOTTOM), 1)

    def line(points: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{across(x)},{down(y)}" for x, y in points)

    lines = []
    for curve, name in zip(curves, labels(curves), strict=True):
        points = [point for point in curve.points if point[value] is not None]
        banded = [(point["snr_db"], *point[interval]) for point in points if point[interval]]
        quiet = [(point["snr_db"], point[noise]) for point in points if point[noise] is not None]
        lines.append(
            {
                "name": f"{curve.attack}, {name} (n={len(curve.clips)})",
                "line": line([(point["snr_db"], point[value]) for point in points]),
                "dots": [(across(point["snr_db"]), down(point[value])) for point in points],
                "band": line([(x, top_) for x, _, top_ in banded] + [(x, bottom) for x, bottom, _ in reversed(banded)]),
                "noise": line(quiet),
            }
        )
    step = max(1, round((high - low) / 8 / 5)) * 5 if high - low > 20 else 2.5
    across_ticks = [(across(x), f"{x:g}") for x in levels if abs(x / step - round(x / step)) < 1e-6]
    down_ticks = [(down(top * part / 4), f"{top * part / 4:.2f}") for part in range(5)]
    box = {"left": LEFT, "right": WIDTH - RIGHT, "bottom": HEIGHT - BOTTOM, "width": WIDTH, "height": HEIGHT}
    return {"title": title, "lines": lines, "across": across_ticks, "down": down_ticks, **box}
