"""``voiceattack listen``: a blind ABX test of a run's artefacts, in a browser on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voiceattack.cli.console import QuietOption, RunArgument, say, stdout, tell_writer

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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many comparisons are left; serve nothing.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Can people hear the difference? Serve a blind ABX test until Ctrl-C; the same command resumes it.

    Answers go to RUN/listening; 'voiceattack report' shows the detection rates.
    """
    from voiceattack.errors import RunError
    from voiceattack.listening import Session, detection, read_answers, write_csv
    from voiceattack.runs.run import Run

    opened = Run.open(run)
    tell_writer(run)
    if csv is not None or results:
        answers = read_answers(opened)
        if csv is not None:
            say(f"written: {write_csv(answers, csv)}: {len(answers)} answers", quiet=quiet)
        if results and not quiet:
            stdout().print(_table(detection(answers)))
        return
    session = Session(opened, listener, trials, repeat)
    left = sum((trial.number, trial.id) not in session.done for trial in session.trials)
    if dry_run:
        say(f"{left} of {len(session.trials)} comparisons are left for {listener}; nothing was served")
        return
    from voiceattack.listening.server import ListeningServer

    try:
        server = ListeningServer(session, port)
    except OSError as error:
        raise RunError(f"port {port} cannot be used ({error.strerror}); choose another, or 0 for a free one") from error
    # The address is what the command is for: printed under --quiet too.
    say(f"open {server.url}" if quiet else f"{left} comparisons for {listener}; open {server.url} (Ctrl-C ends it)")
    try:
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    say(f"{len(session.done)} of {len(session.trials)} answered, in {session.file}", quiet=quiet)


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
