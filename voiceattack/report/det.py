"""A wake-word sweep as a picture (detection error trade-off) and as a table."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from voiceattack.evaluate.wakeword import Sweep
from voiceattack.files import whole_text, writing
from voiceattack.report.curve import COLOURS
from voiceattack.report.drawing import save_picture, without_mathtext
from voiceattack.unicode_text import csv_cell

__all__ = ["SUFFIXES", "write_sweep"]

NOT_HEARD = "no sound without the phrase was heard:\nfalse accepts were not counted"
NONE = "no false accept at any threshold\nin {:.1f} minutes without the phrase"
INTERVALS = ("miss_ci95", "false_accepts_ci95")


@without_mathtext
def write_png(found: Sweep, path: Path) -> None:
    """Misses against false accepts an hour (detection error trade-off, DET; Martin et al. 1997, whose axes are normal deviates),
    and both against the threshold; a curve an SNR, the detector's own threshold marked."""
    figure = Figure(figsize=(13.5, 4.8), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    trade, misses, wrongs = figure.subplots(1, 3)
    points = found.points()
    for index, snr_db in enumerate(found.said):
        colour, label = COLOURS[index % len(COLOURS)], "no noise" if snr_db is None else f"{snr_db:g} dB"
        mine = [point for point in points if point["snr_db"] == snr_db]
        own = [point for point in mine if point["own_threshold"]]
        for axis, across, down in (
            (trade, "false_accepts_per_hour", "miss_rate"),
            (misses, "threshold", "miss_rate"),
            (wrongs, "threshold", "false_accepts_per_hour"),
        ):
            if any(point[name] is None for point in mine for name in (across, down)):
                continue
            axis.plot(*_columns(mine, across, down), color=colour, linewidth=1.4, marker=".", markersize=4, label=label)
            axis.plot(*_columns(own, across, down), color=colour, marker="o", markersize=8, markerfacecolor="none", linestyle="")
    hours = points[0]["hours"]
    for axis, which in ((trade, "x"), (wrongs, "y")):
        if hours:
            # A logarithm has no zero; below one false accept in all that was heard the axis is linear.
            getattr(axis, f"set_{which}scale")("symlog", linthresh=1 / hours)
            # matplotlib's own labels are of its mathematics, which is off: names may hold dollar signs.
            getattr(axis, f"{which}axis").set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        getattr(axis, f"set_{which}label")("false accepts an hour")
    for axis in (trade, misses):
        axis.set_ylabel("share of phrases missed")
        axis.set_ylim(-0.03, 1.03)
    for axis in (misses, wrongs):
        axis.set_xlabel("threshold")
        axis.set_xlim(0, 1)
    trade.set_xlim(left=-0.1 / hours if hours else 0)
    wrongs.set_ylim(bottom=-0.1 / hours if hours else 0)
    for axis in (trade, misses, wrongs):
        axis.grid(alpha=0.25)
    told = NOT_HEARD if not hours else "" if any(point["false_accepts"] for point in points) else NONE.format(60 * hours)
    for axis in (trade, wrongs) if told else ():
        axis.text(0.5, 0.5, told, ha="center", va="center", transform=axis.transAxes, color="#565c66")
    for axis in (trade, misses, wrongs):
        if not axis.lines:  # its ticks would count nothing
            axis.set_xticks([])
            axis.set_yticks([])
    said, minutes = points[0]["n"], 60 * hours
    trade.set_title(f"{found.victim}: {said} phrases, {minutes:.1f} minutes without", fontsize="medium", loc="left")
    misses.set_title(f"circle: its own threshold, {found.own_threshold:g}", fontsize="medium", loc="left")
    misses.legend(loc="upper left", fontsize="small", framealpha=0.9, title="noise, SNR")
    save_picture(figure, path)


def _columns(points: list[dict[str, Any]], across: str, down: str) -> tuple[list[float], list[float]]:
    return [point[across] for point in points], [point[down] for point in points]


def write_csv(found: Sweep, path: Path) -> None:
    """One line an SNR and threshold; an empty ``snr_db`` is without noise, an interval is two columns."""
    points = found.points()
    names = [end for name in points[0] for end in ((f"{name}_low", f"{name}_high") if name in INTERVALS else (name,))]
    with whole_text(path) as stream:
        writer = csv.writer(stream)
        writer.writerow(names)
        for point in points:
            cells = [v for name in point for v in ((point[name] or ("", "")) if name in INTERVALS else (point[name],))]
            writer.writerow([csv_cell(value) for value in cells])


SUFFIXES = {".png": write_png, ".csv": write_csv}


def write_sweep(found: Sweep, paths: list[Path]) -> None:
    """Write the sweep to each path, as its suffix says.

    Raises:
        RunError: one cannot be written.
    """
    for path in paths:
        with writing(path, "make room or choose another file"):
            SUFFIXES[path.suffix.lower()](found, path)
