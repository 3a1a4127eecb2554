"""Robustness curves as a picture, as data, and as Markdown."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from voiceattack.evaluate.curve import KEY, Curve, Defect
from voiceattack.files import inside, whole_text, write_whole, writing
from voiceattack.report.drawing import save_picture, without_mathtext
from voiceattack.unicode_text import csv_cell

__all__ = ["draw_curves", "labels", "write_curves"]

COLOURS = ("#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#0e7490", "#a16207", "#be123c", "#374151")


def labels(curves: Sequence[Curve]) -> list[str]:
    """A short name for each curve: the victim, and what else tells it from the others."""
    names = []
    for curve in curves:
        parts = [curve.victim]
        if len({other.attack for other in curves}) > 1:
            parts.append(curve.attack)
        if len({(other.objective, other.target) for other in curves}) > 1:
            parts.append(f'"{curve.target}"' if curve.target else curve.objective)
        if curve.source_victim != curve.victim:
            parts.append(f"crafted on {curve.source_victim}")
        parts += _telling([other.params for other in curves if other.attack == curve.attack], curve.params)
        names.append(", ".join(parts))
    return names


def _telling(params: Sequence[dict[str, Any]], own: dict[str, Any]) -> list[str]:
    """``name=value`` of each parameter in which the curves of one attack differ."""
    return [f"{name}={value}" for name, value in own.items() if any(other.get(name, value) != value for other in params)]


@without_mathtext
def draw_curves(curves: Sequence[Curve], out: Path) -> Path:
    """Write one PNG: success and WER against SNR, with 95% intervals; noise of the same SNR dashed."""
    figure = Figure(figsize=(9.6, 7.2), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 1, sharex=True)
    for index, (curve, name) in enumerate(zip(curves, labels(curves), strict=True)):
        colour = COLOURS[index % len(COLOURS)]
        levels = [point["snr_db"] for point in curve.points]
        for axis, value, interval in ((axes[0], "success_rate", "success_ci95"), (axes[1], "wer", "wer_ci95")):
            heights = [point[value] for point in curve.points]
            axis.plot(
                levels, heights, color=colour, linewidth=1.4, marker="o", markersize=2.5, label=f"{name} (n={len(curve.clips)})"
            )
            bounds = [point[interval] or (point[value], point[value]) for point in curve.points]
            low, high = [bound[0] for bound in bounds], [bound[1] for bound in bounds]
            if None not in low and None not in high:
                axis.fill_between(levels, low, high, color=colour, alpha=0.15, linewidth=0)
        for axis, value in ((axes[0], "noise_success_rate"), (axes[1], "noise_wer")):
            if all(point[value] is not None for point in curve.points):
                axis.plot(levels, [point[value] for point in curve.points], color=colour, linewidth=1.0, linestyle="--")
    axes[0].set_ylabel("share of clips fooled")
    axes[0].set_ylim(-0.03, 1.03)
    axes[1].set_ylabel("WER")
    # One clip on which a recogniser repeats itself without end would flatten all the rest.
    axes[1].set_ylim(
        -0.05, min(3.0, max(1.1, 1.1 * max((p["wer"] or 0.0 for curve in curves for p in curve.points), default=1.0)))
    )
    axes[1].set_xlabel("signal-to-noise ratio, dB (to the right: a quieter perturbation)")
    for axis in axes:
        axis.grid(alpha=0.25)
    axes[0].legend(loc="lower left", fontsize="small", framealpha=0.9)
    axes[0].set_title("robustness; dashed: random noise of the same SNR", fontsize="medium", loc="left")
    save_picture(figure, out)
    return out


def write_curves(curves: Sequence[Curve], found: Sequence[Defect], folder: Path) -> list[Path]:
    """``curve.png``, ``curve.json`` and ``curve.csv`` in ``folder``; their paths.

    Raises:
        RunError: they cannot be written.
    """
    picture, data, sheet = (inside(folder, f"curve.{suffix}") for suffix in ("png", "json", "csv"))
    whole = {"curves": [curve.as_dict() for curve in curves], "defects": [vars(defect) for defect in found]}
    with writing(folder, "make room or choose another folder"):
        draw_curves(curves, picture)
        write_whole(data, json.dumps(whole, ensure_ascii=False, indent=1).encode())
        with whole_text(sheet) as stream:
            _write_csv(curves, stream)
    return [picture, data, sheet]


def _write_csv(curves: Sequence[Curve], stream: TextIO) -> None:
    writer = csv.writer(stream)
    points = [*curves[0].points[0]] if curves else []
    writer.writerow([*KEY, "params", *(f"{name}_{end}" if end else name for name in points for end in _ends(name))])
    for curve in curves:
        for point in curve.points:
            cells = [value for name in points for value in (point[name] or ("", "") if _ends(name) != [""] else [point[name]])]
            writer.writerow([csv_cell(cell) for cell in (*(getattr(curve, name) for name in KEY), curve.params, *cells)])


def _ends(name: str) -> list[str]:
    """An interval fills two columns."""
    return ["low", "high"] if name.endswith("_ci95") else [""]
