"""``voiceattack report``: write the results of a run, or of several in one, for people and programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voiceattack.cli.console import OutputOption, QuietOption, formats_of, progress, say, tell_writer, write_reports
from voiceattack.cli.suite import BaselineOption, HistoryOption
from voiceattack.errors import SpecError
from voiceattack.progress import showing

__all__ = ["report"]


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories; several make one Markdown report.")],
    format_: Annotated[
        str | None, typer.Option("--format", help="html, md, json, csv, or several: html,csv.", show_default="md")
    ] = None,
    output: OutputOption = None,
    baseline: BaselineOption = None,
    history: HistoryOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write the report of RUN into it, or to the files named by -o; of several, one report to -o FILE.md.

    RUN may be a suite's run directory too: its page is report.html, with what changed since the baseline.
    """
    from voiceattack.report import FORMATS
    from voiceattack.runs.run import Run
    from voiceattack.suite.outputs import is_suite

    if any(is_suite(run) for run in runs):
        _report_suite(runs, format_, output, baseline, history, quiet)
        return
    if baseline is not None or history:
        raise SpecError("--baseline and --history are for the run of a suite; compare runs by: voiceattack compare BASELINE RUN")
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


def _report_suite(
    runs: list[Path],
    format_: str | None,
    output: list[Path] | None,
    baseline: Path | None,
    history: list[Path] | None,
    quiet: bool,
) -> None:
    """The pages of a suite's run; ``html`` is the default."""
    from voiceattack.suite.beside import Named
    from voiceattack.suite.outputs import check_outputs, read_summary, suffix_of, write_pages

    if len(runs) > 1:
        raise SpecError("a suite's run has a report of its own: name it alone; several runs: voiceattack history DIR")
    names = [name.strip() for name in (format_ or ("" if output else "html")).split(",") if name.strip()]
    suffixes = [suffix_of(name) for name in names]
    check_outputs(output or ())
    named = Named(baseline, (runs[0].parent, Path()), tuple(history or ()))
    with progress("writing the report", quiet=quiet):
        written = write_pages(read_summary(runs[0]), runs[0], suffixes, output or (), named)
    for path in written:
        say(f"written: {path}", quiet=quiet)
