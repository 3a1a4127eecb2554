"""``voiceattack report``: write a run's results for people and programs."""

from __future__ import annotations

from typing import Annotated

import typer

from voiceattack.cli.console import OutputOption, QuietOption, RunArgument, formats_of, say, write_reports

__all__ = ["report"]


def report(
    run: RunArgument,
    format_: Annotated[
        str | None, typer.Option("--format", help="html, md, json, csv, or several: html,csv.", show_default="md")
    ] = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write the report of RUN into it, or to the files named by -o."""
    from voiceattack.report import FORMATS
    from voiceattack.runs import Run

    outputs = formats_of(output)
    default = "" if outputs else "md"
    formats = [FORMATS.entry(name.strip()).name for name in (format_ or default).split(",") if name.strip()]
    for path in write_reports(Run.open(run), formats, outputs):
        say(f"written: {path}", quiet=quiet)
