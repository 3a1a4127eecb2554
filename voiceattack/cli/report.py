"""``voiceattack report``: write the results of a run, or of several in one, for people and programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voiceattack.cli.console import OutputOption, QuietOption, formats_of, progress, say, tell_writer, write_reports
from voiceattack.errors import SpecError
from voiceattack.progress import showing

__all__ = ["report"]


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories; several make one Markdown report.")],
    format_: Annotated[
        str | None, typer.Option("--format", help="html, md, json, csv, or several: html,csv.", show_default="md")
    ] = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write the report of RUN into it, or to the files named by -o; of several, one report to -o FILE.md."""
    from voiceattack.report import FORMATS
    from voiceattack.runs.run import Run

    for run in runs:
        tell_writer(run)
    outputs = formats_of(output)
    if len(runs) > 1:
        from voiceattack.report.joint import render_joint

        if format_ is not None or not outputs or set(outputs.values()) != {"md"}:
            raise SpecError("several runs make one Markdown report: give -o FILE.md and no --format, or name one run")
        with progress("writing the reports", quiet=quiet) as on_progress, showing(on_progress):
            written = [render_joint([Run.open(run) for run in runs], path) for path in outputs]
        for path in written:
            say(f"written: {path}", quiet=quiet)
        return
    default = "" if outputs else "md"
    formats = [FORMATS.entry(name.strip()).name for name in (format_ or default).split(",") if name.strip()]
    for path in write_reports(Run.open(runs[0]), formats, outputs, quiet=quiet):
        say(f"written: {path}", quiet=quiet)
