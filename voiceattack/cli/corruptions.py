"""``voiceattack corruptions``: every corruption at every severity, heard by several victims, in one table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voiceattack.cli.console import (
    DeviceOption,
    InputsArgument,
    QuietOption,
    distinct,
    hold,
    parse_params,
    progress,
    say,
    say_next,
    stdout,
    warn,
)
from voiceattack.errors import RunError, SpecError
from voiceattack.progress import showing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voiceattack.craft.corruptions import CorruptionsRequest
    from voiceattack.evaluate.corruption_table import Line
    from voiceattack.runs.run import Run

__all__ = ["corruptions"]


def corruptions(
    inputs: InputsArgument,
    victim: Annotated[list[str] | None, typer.Option(help="Who listens. Repeatable.", show_default="whisper-tiny.en")] = None,
    out: Annotated[Path, typer.Option("--out", help="Run directory; one begun with the same seed and victim goes on.")] = Path(
        "corruptions"
    ),
    names: Annotated[
        str | None, typer.Option(metavar="LIST", help="Corruptions: voiceattack list corruptions.", show_default="all")
    ] = None,
    severities: Annotated[str, typer.Option(metavar="LIST", help="Of 1 (mild) to 4.")] = "1,2,3,4",
    repeats: Annotated[
        int, typer.Option(min=1, max=100, help="Draws of the random ones at the mildest severity, for WER variance.")
    ] = 1,
    param: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="noise=DIR, music=DIR, speech=DIR, loss=PERCENT. Repeatable."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Corrupt the first so many clips only.", show_default="all")] = None,
    wer_threshold: Annotated[float, typer.Option(help="Least WER against the clean transcript that counts as fooled.")] = 0.5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the run.")] = 0,
    cache: Annotated[
        Path | None,
        typer.Option("--cache", metavar="DIR", help="Keep what victims heard in DIR, for several runs.", show_default="in --out"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost; write nothing.")] = False,
    output: Annotated[
        list[Path] | None,
        typer.Option("--output", "-o", help="Write the table here too: .csv, .json, .md, .png; .html is the whole report."),
    ] = None,
    device: DeviceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Corrupt INPUT in every way and degree, hear it through each victim, and write the table and its picture.

    The run directory is an ordinary one: evaluate, report, replay and export work on it.
    """
    from voiceattack.craft.corruptions import CorruptionsRequest, corrupt, with_memory
    from voiceattack.evaluate.corruption_table import corruption_table
    from voiceattack.evaluate.scoring import evaluate
    from voiceattack.report.sections.corruptions import SUFFIXES
    from voiceattack.victims import load_victim

    for path in output or []:
        if path.suffix.lower() not in (*SUFFIXES, ".html"):
            raise SpecError(f"--output {path}: the suffix names the format; use one of {', '.join((*SUFFIXES, '.html'))}")
    specs = distinct(victim or ["whisper-tiny.en"])
    request = CorruptionsRequest(
        inputs=tuple(inputs),
        victim=specs[0],
        names=tuple(word.strip() for word in names.split(",")) if names else (),
        severities=tuple(_number(word) for word in severities.split(",")),
        params=parse_params(param),
        wer_threshold=wer_threshold,
        repeats=repeats,
        seed=seed,
        limit=limit,
    )
    if dry_run:
        _dry_run(request, specs, device)
        return
    hold(out)
    loaded = [load_victim(spec, device) for spec in specs]
    with progress("corrupting", quiet=quiet) as on_progress:
        run, first = corrupt(request, out, loaded[0], memory=cache, on_progress=on_progress, on_error=warn)
    if all(example.error is not None for example in run.examples()):
        raise RunError(f"no clip could be corrupted; the reasons are in {run.path / 'examples.jsonl'}")
    with progress("hearing", quiet=quiet) as on_progress:
        evaluate(run, [first, *with_memory(run, loaded[1:], cache)], on_progress=on_progress)
    lines = corruption_table(run.results())
    with progress("writing the table", quiet=quiet) as on_progress, showing(on_progress):
        paths = _write(run, lines, output or [])
    if quiet:
        return
    for spec in dict.fromkeys(line.victim for line in lines):
        say(f"\n{spec}")
        stdout().print(_table([line for line in lines if line.victim == spec]))
    for path in paths:
        say(f"written: {path}")
    say_next("listen to what was lost, side by side", "view", out)


def _number(word: str) -> int:
    try:
        return int(word)
    except ValueError as error:
        raise SpecError(f"--severities {word!r}: must be whole numbers with commas between, as 1,2,3,4") from error


def _write(run: Run, lines: Sequence[Line], output: Sequence[Path]) -> list[Path]:
    """Write the table into the run, and to the paths given; where it was written."""
    from voiceattack.report.html.render import render_alone
    from voiceattack.report.sections.corruptions import SUFFIXES, write_corruptions

    tables = [run.output(path) for path in output if path.suffix.lower() != ".html"]
    paths = [*(run.resolve(f"corruptions{suffix}") for suffix in SUFFIXES), *tables]
    write_corruptions(lines, paths)
    return [*paths, *(render_alone(run, path) for path in output if path.suffix.lower() == ".html")]


def _dry_run(request: CorruptionsRequest, specs: Sequence[str], device: str | None) -> None:
    """Counts, and a time from one clip heard by each victim."""
    import time

    from voiceattack.audio.clips import Batch
    from voiceattack.corpus import Utterance
    from voiceattack.victims import load_victim
    from voiceattack.victims.trust import outside

    request.check()
    clips = [item for item in request.items()[: request.limit] if isinstance(item, Utterance)]
    settings = request.settings()
    say(f"corruptions: {len({setting.name for setting in settings})}, settings: {len(settings)}, clips: {len(clips)}")
    if not clips:
        raise RunError("none of the inputs can be heard")
    seconds = 0.0
    asked = len(clips) * (len(settings) + 1) * len(specs)
    if reached := [part for spec in specs for part in outside(spec)]:
        say(f"transcriptions: {asked}; time not measured: {reached[0].spec} {reached[0].outside.does}")
        say("nothing was written")
        return
    for spec in specs:
        loaded, clip = load_victim(spec, device), clips[0].load()[0]
        begun = time.perf_counter()
        loaded.transcribe(Batch.of([clip]))
        seconds += (time.perf_counter() - begun) * len(clips) * (len(settings) + 1)
    say(f"transcriptions: {asked}; about {seconds / 60:.0f} min of hearing on this machine")
    say("nothing was written")


def _table(lines: Sequence[Line]) -> object:
    from rich.table import Table

    from voiceattack.report.sections.corruptions import COLUMNS, cells_of

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name in ("corruption", "unit") else "right")
    for line in lines:
        table.add_row(*cells_of(line))
    return table
