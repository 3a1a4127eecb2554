"""``voiceattack listen``: a blind ABX test of a run's artefacts, in a browser on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voiceattack.cli.console import QuietOption, RunArgument, say, stdout, tell_writer, warn

if TYPE_CHECKING:
    from voiceattack.runs.run import Run

__all__ = ["listen"]


def listen(
    run: RunArgument,
    listener: Annotated[
        str, typer.Option("--listener", metavar="NAME", help="Who listens; each has an own order.")
    ] = "anonymous",
    trials: Annotated[int | None, typer.Option(min=1, help="At most so many clips.", show_default="all")] = None,
    repeat: Annotated[int, typer.Option(min=1, help="Comparisons a clip.")] = 1,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the answers there and serve nothing.")] = None,
    results: Annotated[bool, typer.Option("--results", help="Show the results and serve nothing.")] = False,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", metavar="DIR", help="Write the test as a folder to host for people elsewhere.")
    ] = None,
    answers: Annotated[
        list[Path] | None, typer.Option("--answers", metavar="FILE", help="Take in what they sent back. Repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many comparisons are left; serve nothing.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Can people hear the difference? Serve a blind ABX test until Ctrl-C; the same command resumes it.

    Answers go to RUN/listening; 'voiceattack report' shows the detection rates.
    """
    from voiceattack.listening import Session, detection, read_answers, write_csv
    from voiceattack.runs.run import Run

    opened = Run.open(run)
    tell_writer(run)
    if bundle is not None or answers:
        _elsewhere(opened, bundle, answers or [], listener, trials, repeat, quiet)
    if csv is not None or results:
        given = read_answers(opened)
        if csv is not None:
            say(f"written: {write_csv(given, csv)}: {len(given)} answers", quiet=quiet)
        if results and not quiet:
            stdout().print(_table(detection(given)))
    if bundle is not None or answers or csv is not None or results:
        return
    session = Session(opened, listener, trials, repeat)
    left = sum((trial.number, trial.id) not in session.done for trial in session.trials)
    if dry_run:
        say(f"{left} of {len(session.trials)} comparisons are left for {listener}; nothing was served")
        return
    from voiceattack.listening.server import ListeningServer
    from voiceattack.local_server import serve_until_interrupted

    server = ListeningServer(session, port)
    # The address is what the command is for: printed under --quiet too.
    say(f"open {server.url}" if quiet else f"{left} comparisons for {listener}; open {server.url} (Ctrl-C ends it)")
    serve_until_interrupted(server)
    say(f"{len(session.done)} of {len(session.trials)} answered, in {session.file}", quiet=quiet)


def _elsewhere(run: Run, bundle: Path | None, answers: list[Path], name: str, most: int | None, repeat: int, quiet: bool) -> None:
    """Write the test for people elsewhere, and take in what they answered; a bad file of answers costs itself alone."""
    from voiceattack.errors import RunError
    from voiceattack.listening.bundle import take_answers, write_bundle

    if bundle is not None:
        number = write_bundle(run, bundle, name, most, repeat)
        say(f"written: {bundle}: {number} comparisons; host it or send it, then: listen {run.path} --answers FILE", quiet=quiet)
    refused = []
    for path in answers:
        try:
            who, new = take_answers(run, path)
            say(f"{path}: {new} new answers of {who}", quiet=quiet)
        except RunError as error:
            refused.append(error)
            warn(str(error))
    if refused and len(refused) == len(answers):
        raise refused[0]


def _table(rows: list) -> object:  # type: ignore[type-arg]
    from rich.table import Table

    from voiceattack.report.console import with_interval

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("attack", "trials", "listeners", "right [95% CI]", "reading"):
        table.add_column(name)
    for row in rows:
        cells = (str(row["trials"]), str(row["listeners"]), with_interval(row["rate"], row["ci95"]), row["reading"])
        table.add_row(row["attack"], *cells)
    return table
