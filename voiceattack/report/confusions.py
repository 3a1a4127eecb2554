"""Confusions on disk: the matrix and the conditions as pictures and sheets, the ranking, every hearing, the words misheard."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from voiceattack.files import inside, write_whole, writing
from voiceattack.report.drawing import save_picture, without_mathtext
from voiceattack.text.confusions import NONE, Confusions
from voiceattack.unicode_text import csv_cell, escape_json, visible

__all__ = ["write_confusions"]

LONGEST_NAME = 42
MOST_PRINTED = 60
"""Commands up to which the cells hold their share in figures."""


def write_confusions(found: Confusions, out: Path) -> list[Path]:
    """``confusions.png`` and ``.csv`` (the matrix), ``conditions.png`` and ``.csv`` (by voice, speed and noise), ``ranking.csv``,
    ``hearings.jsonl`` and ``words.json``; their paths.

    Raises:
        RunError: they cannot be written.
    """
    names = [visible(command) for command in found.commands]
    matrix = found.matrix()
    shares = [[name, *(f"{share:.4f}" for share in row)] for name, row in zip(names, matrix, strict=True)]
    sheets: dict[str, Sequence[Sequence[object]]] = {
        "confusions.csv": [["said", *names, NONE], *shares],
        "conditions.csv": _rows(found.conditions()),
        "ranking.csv": _rows(found.ranking()),
    }
    lines = [escape_json(json.dumps(asdict(hearing), ensure_ascii=False)) + "\n" for hearing in found.hearings]
    files = {name: _csv(rows) for name, rows in sheets.items()}
    files["hearings.jsonl"] = "".join(lines).encode()
    files["words.json"] = (json.dumps(found.words(), indent=1) + "\n").encode()
    with writing(out, "make room or choose another folder"):
        for name, data in files.items():
            write_whole(inside(out, name), data)
        _draw_matrix(inside(out, "confusions.png"), names, matrix)
        _draw_conditions(inside(out, "conditions.png"), names, found)
    return [out / name for name in ("confusions.png", "conditions.png", *files)]


def _rows(table: Sequence[dict[str, object]]) -> list[list[object]]:
    return [list(table[0]), *(list(row.values()) for row in table)]


def _csv(rows: Sequence[Sequence[object]]) -> bytes:
    sheet = io.StringIO()
    csv.writer(sheet).writerows([csv_cell(cell) for cell in row] for row in rows)
    return sheet.getvalue().encode()


@without_mathtext
def _draw_matrix(path: Path, names: Sequence[str], matrix: list[list[float]]) -> None:
    figure, axis = _figure(3.8 + 0.31 * (len(names) + 1), 3.6 + 0.28 * len(names))
    image = axis.imshow(matrix, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    _labels(axis, names, [*names, NONE])
    axis.set_xlabel("heard as")
    axis.set_ylabel("said")
    if len(names) <= MOST_PRINTED:
        for row, shares in enumerate(matrix):
            for column, share in enumerate(shares):
                if share:
                    _print_share(axis, row, column, share)
    figure.colorbar(image, ax=axis, label="share of times", shrink=0.5)
    save_picture(figure, path)


@without_mathtext
def _draw_conditions(path: Path, names: Sequence[str], found: Confusions) -> None:
    """Each command under each voice, speed and noise: heard right, as none of them, or as another."""
    columns = [(row["voice"], row["speed"], row["snr_db"]) for row in found.conditions()]
    heard = {(h.said, (h.voice, h.speed, h.snr_db)): h.heard_as for h in found.hearings}
    kinds = {NONE: 1}
    cells = [[0 if (name := heard[said, key]) == said else kinds.get(name, 2) for key in columns] for said in found.commands]
    figure, axis = _figure(5.0 + 0.3 * len(columns), 3.6 + 0.28 * len(names))
    axis.imshow([[cell / 2 for cell in row] for row in cells], cmap="YlOrRd", vmin=0, vmax=1, aspect="auto")
    told = [
        f"{speed:g}x, {'clean' if snr_db is None else f'{snr_db:g} dB'}, {visible(voice)}" for voice, speed, snr_db in columns
    ]
    _labels(axis, names, told)
    axis.set_xlabel("speed, noise, voice")
    axis.set_title("pale: heard right; orange: as none of them; red: as another command", fontsize=9)
    save_picture(figure, path)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(max(6.0, width), max(5.0, height)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _labels(axis: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    axis.set_xticks(range(len(columns)), [_short(name) for name in columns], rotation=90, fontsize=8)
    axis.set_yticks(range(len(rows)), [_short(name) for name in rows], fontsize=8)
    for edge in range(1, max(len(rows), len(columns))):
        if edge < len(columns):
            axis.axvline(edge - 0.5, color="0.9", linewidth=0.5)
        if edge < len(rows):
            axis.axhline(edge - 0.5, color="0.9", linewidth=0.5)


def _print_share(axis: Axes, row: int, column: int, share: float) -> None:
    text = "1" if share == 1 else f"{share:.2f}".removeprefix("0")
    axis.text(column, row, text, ha="center", va="center", fontsize=6, color="white" if share > 0.6 else "black")


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
