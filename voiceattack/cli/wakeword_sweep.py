"""``voiceattack wakeword-sweep``: misses and false accepts of a wake-word detector over thresholds and noise."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voiceattack.cli.console import (
    DeviceOption,
    InputsArgument,
    QuietOption,
    noise_levels,
    numbers,
    progress,
    say,
    stdout,
    tell_warnings,
    warn,
)
from voiceattack.errors import CorpusError, RunError, SpecError, as_error

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["wakeword_sweep"]


def wakeword_sweep(
    inputs: InputsArgument,
    victim: Annotated[str, typer.Option(help="The detector: wakeword:hey_jarvis, ...")],
    other: Annotated[
        list[str] | None, typer.Option(metavar="INPUT", help="Speech or noise without the phrase, for false accepts. Repeatable.")
    ] = None,
    snr_db: Annotated[
        str, typer.Option(metavar="LIST", help="Noise added to all clips, dB below them; 'clean' is none.")
    ] = "clean,20,10,5,0",
    thresholds: Annotated[
        str | None, typer.Option(metavar="LIST", help="Thresholds.", show_default="0.05 to 0.99 and its own")
    ] = None,
    noise: Annotated[str, typer.Option(help="Kind of the noise: white-noise, pink-noise, music, ...")] = "white-noise",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the noise.")] = 0,
    out: Annotated[Path, typer.Option("--out", help="Folder of det.png and sweep.csv.")] = Path("wakeword-sweep"),
    output: Annotated[
        list[Path] | None, typer.Option("--output", "-o", help="Write this file too: .png or .csv. Repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost; write nothing.")] = False,
    device: DeviceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Hear INPUT, clips that say the phrase once, and others that do not, in several noises; draw misses against false accepts.

    Each noise is heard once and all thresholds are read off that.
    """
    from voiceattack.evaluate.wakeword import THRESHOLDS, sweep
    from voiceattack.files import inside
    from voiceattack.report.det import SUFFIXES, write_sweep
    from voiceattack.victims import load_victim
    from voiceattack.victims.trust import outside

    for path in output or []:
        if path.suffix.lower() not in SUFFIXES:
            raise SpecError(f"--output {path}: the suffix names the format; use one of {', '.join(SUFFIXES)}")
    levels = noise_levels(snr_db)
    asked = THRESHOLDS if thresholds is None else numbers(thresholds, "--thresholds", 0, 1)
    names: dict[str, list[str]] = {}
    (names["said"], said), (names["other"], wrong) = _clips(inputs), _clips(other or [])
    if not said:
        raise CorpusError("none of the inputs can be heard; give clips that say the phrase")
    options: dict[str, Any] = {"snrs_db": levels, "thresholds": asked, "noise": noise, "seed": seed}
    reached = outside(victim) if dry_run else []
    detector: Any = None if reached else load_victim(victim, device)
    if dry_run:
        seconds = sum(len(clip) for clip in (*said, *wrong)) / 16_000 * len(levels)
        if reached:
            say(f"clips: {len(said)} with the phrase, {len(wrong)} without; noises: {len(levels)}; thresholds: {len(asked)}")
            say(f"audio to hear: {seconds:.0f} s; time not measured: {reached[0].spec} {reached[0].outside.does}")
            return
        begun = time.perf_counter()
        sweep(detector, said[:1], [], **options)
        pace = (time.perf_counter() - begun) / (len(said[0]) / 16_000 * len(levels))
        say(f"clips: {len(said)} with the phrase, {len(wrong)} without; noises: {len(levels)}; thresholds: {len(asked)}")
        say(f"audio to hear: {seconds:.0f} s; about {seconds * pace:.0f} s on this machine")
        return
    with progress("listening", quiet=quiet) as on_progress:
        found = sweep(
            detector,
            said,
            wrong,
            on_progress=on_progress,
            on_error=lambda kind, place, error: warn(f"{names[kind][place]}: {error}"),
            **options,
        )
    if not any(found.said.values()):
        raise RunError("none of the clips that say the phrase could be heard; the reasons are above")
    paths = [inside(out, "det.png"), inside(out, "sweep.csv"), *(output or [])]
    write_sweep(found, paths)
    if quiet:
        return
    stdout().print(_table([point for point in found.points() if point["own_threshold"]]))
    for path in paths:
        say(f"written: {path}")


def _clips(inputs: Sequence[str]) -> tuple[list[str], list[Tensor]]:
    """Names and waveforms of the clips that load; one line on stderr for each that does not, and for what was done to a clip."""
    from voiceattack.corpus import BadItem, read_corpus

    names: list[str] = []
    found: list[Tensor] = []
    for item in read_corpus(inputs) if inputs else ():
        try:
            if isinstance(item, BadItem):
                raise CorpusError(f"{item.where}: {item.error}")
            waveform, warnings = item.load()
        except Exception as error:
            warn(str(as_error(error)))
            continue
        tell_warnings(item.place, warnings)
        names.append(item.place)
        found.append(waveform)
    return names, found


def _table(points: Sequence[dict[str, Any]]) -> object:
    from rich.table import Table

    from voiceattack.report.console import with_interval

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("noise, SNR", "threshold", "n", "missed [95% CI]", "false accepts", "an hour [95% CI]"):
        table.add_column(name, justify="right")
    for point in points:
        table.add_row(
            "clean" if point["snr_db"] is None else f"{point['snr_db']:g} dB",
            f"{point['threshold']:g}",
            str(point["n"]),
            with_interval(point["miss_rate"], point["miss_ci95"]),
            f"{point['false_accepts']} in {60 * point['hours']:.1f} min",
            with_interval(point["false_accepts_per_hour"], point["false_accepts_ci95"]),
        )
    return table
