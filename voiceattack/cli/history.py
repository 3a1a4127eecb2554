"""``voiceattack history``: the figures of a suite's gates over many runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voiceattack.cli.console import QuietOption, say, warn
from voiceattack.errors import UnknownNameError

if TYPE_CHECKING:
    from voiceattack.history import History

__all__ = ["history"]


def history(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="DIR|GLOB...", help="Folders of suites' runs, kept copies of their summary.json, or patterns."),
    ],
    output: Annotated[
        list[Path] | None,
        typer.Option("--output", "-o", help="Where to write .html, .md or .json. Repeatable.", show_default="history.html"),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Each gate's figure over many runs of a suite: when it changed, which cases are flaky, what is new and gone.

    Reads the summary.json of suites' runs and nothing else. Exit 0 whatever they say: what fails a build are gates and compare.
    """
    from voiceattack.files import write_whole, writing
    from voiceattack.history import histories, read_runs
    from voiceattack.history.words import headline, lines

    formats = _formats()
    outputs = output or [Path("history.html")]
    for path in outputs:
        if path.suffix.lower() not in formats:
            raise UnknownNameError(f"output {path}: suffix {path.suffix!r} names no format; formats: {', '.join(formats)}")
    found, notes = read_runs(runs)
    for note in notes:
        warn(f"left out: {note}")
    known = histories(found)
    for path in outputs:
        with writing(path, "make room or choose another file"):
            write_whole(path, formats[path.suffix.lower()](known).encode("utf-8", "replace"))
    for one in known if not quiet else ():
        for note in one.notes:
            warn(f"note: {note}")
        for line in lines(one):
            say(line)
        say(f"suite {one.suite}: {headline(one)}")
    for path in outputs:
        say(f"written: {path}", quiet=quiet)


def _formats() -> dict[str, Callable[[list[History]], str]]:
    from voiceattack.history.html import to_html
    from voiceattack.history.words import to_markdown

    def to_json(found: list[History]) -> str:
        whole = {"format": "voiceattack history 1", "suites": [one.as_dict() for one in found]}
        return json.dumps(whole, ensure_ascii=False, indent=1, allow_nan=False) + "\n"

    return {".html": to_html, ".md": to_markdown, ".json": to_json}
