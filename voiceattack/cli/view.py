"""``voiceattack view``: any number of runs in one page on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voiceattack.cli.console import QuietOption, say, warn

__all__ = ["view"]


def view(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="RUN|DIR...", help="Runs, suites' runs, folders of them; else this folder.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be shown; serve nothing.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Look through runs in a browser: search, filter, sort, listen side by side, mark, export. Until Ctrl-C; writes nothing."""
    from voiceattack.local_server import serve_until_interrupted
    from voiceattack.view import Asked, Table, find_runs
    from voiceattack.view.server import ViewServer

    runs, notes = find_runs(paths or [Path()])
    table = Table(runs)
    for note in [*notes, *table.notes]:
        warn(note)
    total = table.page(Asked()).total
    told = f"{total} examples of {len(table.runs)} runs"
    if dry_run:
        say(f"{told}; nothing was served")
        return
    server = ViewServer(table, port)
    # The address is what the command is for: printed under --quiet too.
    say(f"open {server.url}" if quiet else f"{told}; open {server.url} (Ctrl-C ends it)")
    serve_until_interrupted(server)
