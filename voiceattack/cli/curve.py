"""``voiceattack curve``: robustness curves of one or several runs, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voiceattack.cli.console import QuietOption, say, say_next, stdout

__all__ = ["curve"]

SHOWN_DB = (20.0, 30.0, 40.0, 50.0)
NEAR_DB = 1.25  # from one of these, a point stands for it; elsewhere nothing was measured


def curve(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories, evaluated.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for curve.png, .json and .csv.", show_default="first RUN")
    ] = None,
    level: Annotated[float, typer.Option(min=0.1, max=40, metavar="DB", help="Distance of the curve's points.")] = 2.5,
    quiet: QuietOption = False,
) -> None:
    """Success and WER against SNR, for each victim and attack; best with runs of the attack minimum-norm.

    Compares other attacks' runs with minimum-norm's: a clip that one of them fools at a higher SNR is named as a defect.
    """
    from voiceattack.errors import RunError
    from voiceattack.evaluate.curve import curves, defects
    from voiceattack.report.curve import write_curves
    from voiceattack.runs.run import Run

    rows = [row for path in runs for row in Run.open(path).each_result()]
    found = curves(rows, level_db=level)
    if not found:
        raise RunError(f"no clip of {', '.join(map(str, runs))} can be scored; the reasons are in results.jsonl")
    beaten = defects(rows)
    folder = runs[0] if out is None else out
    written = write_curves(found, beaten, folder)
    if quiet:
        return
    stdout().print(_table(found))
    for defect in beaten:
        say(f"DEFECT: {defect}")
    for path in written:
        say(f"written: {path}")
    say_next("listen to what lies on it", "view", *runs)


def _table(found: list) -> object:  # type: ignore[type-arg]
    from rich.table import Table

    from voiceattack.report.console import number, with_interval
    from voiceattack.report.curve import labels

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("curve", overflow="fold")
    for name in ("n", "median SNR that fools, dB", *(f"success at {level:g} dB" for level in SHOWN_DB)):
        table.add_column(name, justify="right")
    for one, name in zip(found, labels(found), strict=True):
        cells = []
        for level in SHOWN_DB:
            nearest = min(one.points, key=lambda point: abs(point["snr_db"] - level))
            measured = abs(nearest["snr_db"] - level) <= NEAR_DB
            cells.append(with_interval(nearest["success_rate"], nearest["success_ci95"]) if measured else "-")
        table.add_row(f"{one.attack}, {name}", str(len(one.clips)), number(one.median_snr_db, 1), *cells)
    return table
