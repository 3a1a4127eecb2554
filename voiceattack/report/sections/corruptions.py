"""The corruption table as CSV, JSON, Markdown, and as a picture of WER against severity."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from voiceattack.evaluate.corruption_table import LEVEL, Line, corruption_table
from voiceattack.files import inside, whole_text, write_whole, writing
from voiceattack.report.console import number
from voiceattack.report.curve import COLOURS
from voiceattack.report.drawing import METADATA, save_picture, without_mathtext
from voiceattack.report.markdown_text import code, escape, table
from voiceattack.report.sections.base import Material, Section
from voiceattack.report.templates import fill
from voiceattack.runs.records import Result
from voiceattack.unicode_text import csv_cell, escape_json

__all__ = [
    "COLUMNS",
    "CORRUPTIONS",
    "SUFFIXES",
    "cells_of",
    "corruptions",
    "draw_corruptions",
    "facts_of",
    "markdown_table",
    "write_corruptions",
]

ACROSS = 6
MOST_WER = 1.5
LEVELS = (1, 2, 3, 4)
COLUMNS = ("corruption", "unit", "clean", *(f"WER at {level}" for level in LEVELS), "WERD", "NWERD", "WERV", "dB at WER 0.5")
EXPLAINED = (
    "WER against the reference at severity 1 to 4 (what that is in brackets), over the corpus. WERD is the mean of WER less\n"
    "clean WER over the severities; NWERD the same over the share of PESQ's range that the speech lost, so that 1 falls as fast\n"
    "as the speech does; WERV the variance of WER over draws at one severity (Shah et al. 2024, but for PESQ alone); the last\n"
    f"column the SNR at which WER rises through {LEVEL:g}, linear between those measured. A dash: not defined;\n"
    "`corruptions.json` says why.\n"
)


def cells_of(line: Line) -> tuple[str, ...]:
    """One line of the table as text, in the order of :data:`COLUMNS`."""
    values = []
    for level in LEVELS:
        cell = line.at(level)
        values.append("-" if cell is None or cell.wer is None else f"{cell.wer:.2f} ({cell.value:g})")
    return (
        line.name,
        line.unit,
        number(line.wer_clean),
        *values,
        number(line.werd),
        number(line.nwerd),
        "-" if line.werv is None else f"{line.werv:.5f}",
        number(line.snr_db_at_wer_half, 1),
    )


def markdown_table(lines: Sequence[Line]) -> str:
    """A table a victim."""
    parts = [EXPLAINED]
    for victim in dict.fromkeys(line.victim for line in lines):
        mine = [line for line in lines if line.victim == victim]
        parts.append(f"\n**{code(victim)}**\n\n" + table(COLUMNS, [tuple(map(escape, cells_of(line))) for line in mine]))
        errors = sum(cell.n_error for line in mine for cell in line.cells)
        clips = max((cell.n for line in mine for cell in line.cells), default=0)
        parts.append(f"\n{clips} clips" + (f"; {errors} artefacts could not be crafted or heard" if errors else "") + ".\n")
    return "\n".join(parts)


def corruptions(rows: Sequence[Result], folder: Path) -> str:
    """The report's section with its picture, ``plots/corruptions.png``; empty for a run without corruptions."""
    lines = corruption_table(rows)
    if not lines:
        return ""
    draw_corruptions(lines, inside(folder, "plots/corruptions.png"))
    return f"\n## Corruptions\n\n![WER against severity](plots/corruptions.png)\n\n{markdown_table(lines)}"


def facts_of(material: Material) -> dict[str, Any] | None:
    """What the HTML report shows: columns, lines, counts of corruptions and clips, the picture as a ``data:`` URL; or None."""
    lines = corruption_table(material.every)
    if not lines:
        return None
    picture = io.BytesIO()
    draw_corruptions(lines, picture)
    return {
        "columns": ("heard by", *COLUMNS),
        "lines": [(line.victim, *cells_of(line)) for line in lines],
        "names": len({line.name for line in lines}),
        "clips": max((cell.n + cell.n_error for line in lines for cell in line.cells), default=0),
        "picture": "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode("ascii"),
    }


@without_mathtext
def draw_corruptions(lines: Sequence[Line], out: Path | io.BytesIO) -> None:
    """Write one PNG: a panel a corruption, WER against severity for each victim, with 95% intervals; clean at 0."""
    names = list(dict.fromkeys(line.name for line in lines))
    victims = list(dict.fromkeys(line.victim for line in lines))
    across = min(ACROSS, len(names))
    down = math.ceil(len(names) / across)
    figure = Figure(figsize=(2.3 * across + 0.6, 1.9 * down + 0.8), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
    handles: dict[str, Any] = {}
    for axis, name in zip(axes, names, strict=False):
        for line in (line for line in lines if line.name == name):
            heard = [cell for cell in line.cells if cell.wer is not None]
            colour = COLOURS[victims.index(line.victim) % len(COLOURS)]
            points = [(cell.severity, cell.wer) for cell in heard]
            if line.wer_clean is not None:
                points.insert(0, (0, line.wer_clean))
            if not points:  # nothing of this corruption could be made or heard
                continue
            (handles[line.victim],) = axis.plot(*zip(*points, strict=True), color=colour, marker="o", markersize=3, linewidth=1.4)
            banded = [(cell.severity, *cell.wer_ci95) for cell in heard if cell.wer_ci95 is not None]
            if banded:
                axis.fill_between(*zip(*banded, strict=True), color=colour, alpha=0.15, linewidth=0)
        axis.axhline(LEVEL, color="#6b7280", linewidth=0.6, linestyle=":")
        axis.set_title(name, fontsize="small", loc="left")
        axis.set_xticks(range(5), ["clean", "1", "2", "3", "4"], fontsize="x-small")
        axis.tick_params(axis="y", labelsize="x-small")
        axis.grid(alpha=0.25)
        # A repetition loop would flatten all the rest.
        axis.set_ylim(-0.05, MOST_WER)
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    figure.supylabel(f"WER (the axis ends at {MOST_WER:g})", fontsize="small")
    figure.supxlabel("severity", fontsize="small")
    figure.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=4, fontsize="small", frameon=False)
    if isinstance(out, Path):
        save_picture(figure, out)
    else:
        figure.savefig(out, format="png", metadata=METADATA)


def _write_csv(lines: Sequence[Line], path: Path) -> None:
    """One line a victim, corruption and severity."""
    with whole_text(path) as stream:
        writer = csv.writer(stream)
        own = (
            "severity",
            "value",
            "unit",
            "n",
            "n_error",
            "wer",
            "wer_ci95_low",
            "wer_ci95_high",
            "wer_capped",
            "wer_from_clean",
        )
        whole = ("wer_clean", "nwerd", "werv", "werv_severity", "draws", "snr_db_at_wer_half")
        writer.writerow(("victim", "corruption", *own, "cer", "werd", "pesq", *whole))
        for line in lines:
            for cell in line.cells:
                low, high = cell.wer_ci95 or ("", "")
                sizes = (cell.n, cell.n_error, cell.wer, low, high, cell.wer_capped, cell.wer_from_clean, cell.cer, cell.werd)
                values = (line.victim, line.name, cell.severity, cell.value, line.unit, *sizes, cell.pesq)
                writer.writerow([csv_cell(v) for v in (*values, *(getattr(line, name) for name in whole))])


def _write_json(lines: Sequence[Line], path: Path) -> None:
    text = json.dumps({"corruptions": [line.as_dict() for line in lines]}, ensure_ascii=False, indent=1)
    write_whole(path, (escape_json(text) + "\n").encode())


def _write_markdown(lines: Sequence[Line], path: Path) -> None:
    write_whole(path, ("# Corruptions\n\n" + markdown_table(lines)).encode())


SUFFIXES: dict[str, Callable[[Sequence[Line], Path], None]] = {
    ".csv": _write_csv,
    ".json": _write_json,
    ".md": _write_markdown,
    ".png": draw_corruptions,
}


def write_corruptions(lines: Sequence[Line], paths: Sequence[Path]) -> None:
    """Write the table to each path, as its suffix says.

    Raises:
        RunError: one cannot be written.
    """
    for path in paths:
        with writing(path, "make room or choose another file"):
            SUFFIXES[path.suffix.lower()](lines, path)


def _html(material: Material) -> Markup:
    return fill("sections/corruptions.html.j2", corruptions=material.once(facts_of))


CORRUPTIONS = Section(lambda material: corruptions(material.every, material.folder), _html, markdown_place=50, html_place=30)
