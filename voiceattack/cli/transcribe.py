"""``voiceattack transcribe``: what a victim hears, how far that is from what was said, and what it does."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voiceattack.cli.console import (
    DeviceOption,
    InputsArgument,
    QuietOption,
    progress,
    say,
    say_next,
    stdout,
    tell_warnings,
    unheard,
    warn,
)
from voiceattack.errors import CorpusError, RunError, SpecError
from voiceattack.progress import each
from voiceattack.unicode_text import csv_cell, visible

if TYPE_CHECKING:
    from rich.table import Table

    from voiceattack.evaluate.transcripts import Heard

__all__ = ["transcribe"]

SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".txt")


def transcribe(
    inputs: InputsArgument,
    victim: Annotated[str, typer.Option("--victim", help="Who listens.")] = "whisper-tiny.en",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write here: .json, .jsonl, .csv, .tsv or .txt.")
    ] = None,
    device: DeviceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Print what a victim hears, one line a file; with WER and CER where texts are there, and what an assistant does.

    Texts are those of a manifest. On a terminal they make a table; in a pipe each line is the file, a tab and the transcript, and
    the error rates go to stderr.
    """
    if output is not None and output.suffix.lower() not in SUFFIXES:
        raise SpecError(f"--output {output}: the suffix names the format; use one of {', '.join(SUFFIXES)}")
    from voiceattack.corpus import BadItem, read_corpus
    from voiceattack.evaluate.transcripts import hear, rates
    from voiceattack.victims import load_victim

    items = list(read_corpus(inputs))
    if not items:
        raise CorpusError(f"no audio found in {', '.join(inputs)}; give audio files, folders or manifests")
    listener = load_victim(victim, device)
    told = "acts" in listener.capabilities or any(not isinstance(item, BadItem) and item.text for item in items)
    table = told and sys.stdout.isatty()
    rows: list[Heard] = []
    with progress("listening", quiet=quiet) as on_progress:
        for item in each(items, "hearing", lambda item: item.where if isinstance(item, BadItem) else item.place, on_progress):
            row = hear(listener, item)
            rows.append(row)
            tell_warnings(row.file, row.warnings, quiet=quiet)
            if row.error is not None:
                warn(row.error if row.file in row.error else f"{row.file}: {row.error}")
            elif not table:
                _print(row, keep_on=output is not None, quiet=quiet)
    if not quiet:
        if table:
            stdout().print(_table(rows))
        if (line := rates(rows, listener.language)) is not None:
            say(line) if table else warn(line)
        if table:
            say_next("a suite that attacks it and gates what comes of it", "init", *inputs, "--victim", victim)
    if output is not None:
        from voiceattack.files import write_whole, writing

        with writing(output, "choose another file"):
            write_whole(output, _rendered(rows, output.suffix.lower()).encode())
    if all(row.error is not None for row in rows):
        raise RunError("none of the inputs could be heard" if len(rows) > 1 else "the input could not be heard")


def _print(row: Heard, *, keep_on: bool, quiet: bool) -> None:
    """One line; a reader that leaves (``| head``) ends the command, but for the file that is still to be written."""
    try:
        say(f"{row.file}\t{row.text}", quiet=quiet)
    except BrokenPipeError:
        if not keep_on:
            raise
        unheard()


def _table(rows: list[Heard]) -> Table:
    """One row a clip that was heard; columns in which nothing would stand are left out."""
    from rich.table import Table
    from rich.text import Text

    columns: dict[str, list[str | None]] = {
        "file": [row.file for row in rows],
        "said": [row.reference for row in rows],
        "heard": [row.text for row in rows],
        "does": [row.action for row in rows],
        "should do": [row.reference_action for row in rows],
        "WER": [None if row.wer is None else f"{row.wer:.2f}" for row in rows],
        "CER": [None if row.cer is None else f"{row.cer:.2f}" for row in rows],
    }
    shown = {name: cells for name, cells in columns.items() if any(cell is not None for cell in cells)}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in shown:
        table.add_column(name, overflow="fold", justify="right" if name in ("WER", "CER") else "left")
    for row, cells in zip(rows, zip(*shown.values(), strict=True), strict=True):
        if row.error is None:
            table.add_row(*(Text(visible((cell or "").strip())) for cell in cells))
    return table


def _rendered(rows: list[Heard], suffix: str) -> str:
    found = [asdict(row) for row in rows]
    if suffix == ".json":
        return json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    if suffix == ".jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found)
    if suffix == ".txt":
        return "".join(f"{row.text}\n" for row in rows if row.error is None)
    from voiceattack.evaluate.transcripts import Heard

    stream = io.StringIO()
    names = [one.name for one in fields(Heard)]
    writer = csv.DictWriter(stream, names, delimiter="," if suffix == ".csv" else "\t", lineterminator="\n")
    writer.writeheader()
    for row in found:
        shown = {**row, "warnings": "; ".join(row["warnings"])}
        writer.writerow({name: csv_cell(value) for name, value in shown.items()})
    return stream.getvalue()
