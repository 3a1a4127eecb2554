"""The files that a suite leaves: summary.json, junit.xml, report.md, report.html, results.csv, and those asked for elsewhere."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from voiceattack.errors import RunError, UnknownNameError
from voiceattack.files import inside, one_line, read_bytes, write_whole, writing
from voiceattack.history.past import read_past_run
from voiceattack.report import FORMATS as REPORTS
from voiceattack.report import render
from voiceattack.report.step_summary import append_to_step
from voiceattack.runs.run import Run
from voiceattack.suite.beside import Beside, Named, beside
from voiceattack.suite.cells import directory
from voiceattack.suite.earlier import keep_last
from voiceattack.suite.execute import MARK, Outcome
from voiceattack.suite.junit import to_junit
from voiceattack.suite.load import nearest
from voiceattack.suite.markdown import to_markdown
from voiceattack.suite.page import to_html
from voiceattack.unicode_text import csv_cell

__all__ = [
    "FORMATS",
    "append_step_summary",
    "check_outputs",
    "is_suite",
    "read_summary",
    "suffix_of",
    "write_cell_reports",
    "write_outputs",
    "write_pages",
]

Json = dict[str, Any]
ADDED: Json = {"expected": [], "silent": {}, "earlier": {}, "cells": []}
"""What summaries of versions before lack."""
COLUMNS = (
    *("victim", "attack", "seed", "id", "outcome", "success", "snr_db", "wer_clean", "wer"),
    *("reference", "clean_hypothesis", "hypothesis", "tags", "file", "error"),
)


def to_json(summary: Json) -> str:
    """The summary itself."""
    return json.dumps(summary, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def to_csv(summary: Json) -> str:
    """One line an example, adversarial ones first, then clean and no-speech clips."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in [*summary["examples"], *({**one, "outcome": one["kind"]} for one in summary["clean"])]:
        cells = {**row, "tags": " ".join(row["tags"])}
        writer.writerow({name: csv_cell(cells.get(name)) for name in COLUMNS})
    return text.getvalue()


FORMATS: dict[str, Callable[[Json], str]] = {
    ".json": to_json,
    ".xml": to_junit,
    ".md": to_markdown,
    ".html": to_html,
    ".csv": to_csv,
}
NAMES = {".json": "summary.json", ".xml": "junit.xml", ".md": "report.md", ".html": "report.html", ".csv": "results.csv"}


def check_outputs(paths: Sequence[Path]) -> None:
    """Raise :class:`~voiceattack.errors.UnknownNameError` for a suffix that names no format."""
    for path in paths:
        if path.suffix.lower() not in FORMATS:
            known = ", ".join(FORMATS)
            raise UnknownNameError(
                f"output {path}: suffix {path.suffix!r} names no format{nearest(path.suffix, list(FORMATS))}; formats: {known}"
            )


def is_suite(path: Path) -> bool:
    """Whether a folder is the run directory of a suite."""
    return (path / MARK).is_file()


def suffix_of(name: str) -> str:
    """``.xml`` of ``junit`` or ``xml``, ``.html`` of ``html`` and so on.

    Raises:
        UnknownNameError: no such format.
    """
    suffix = ".xml" if name == "junit" else f".{name}"
    if suffix not in FORMATS:
        known = [one.removeprefix(".") for one in FORMATS]
        raise UnknownNameError(f"format {name!r} is none of a suite's{nearest(name, known)}; there are: {', '.join(known)}")
    return suffix


def read_summary(out: Path) -> Json:
    """The ``summary.json`` of a suite's run directory, as a report needs it.

    Raises:
        RunError: there is none, or it is damaged.
    """
    path = inside(out, NAMES[".json"])
    try:
        found = json.loads(read_bytes(path))
        read_past_run(path)  # its gates, examples and clean clips are what they should be
        return {**ADDED, "finished": "", "commit": None, "victims": [], **found}
    except FileNotFoundError as error:
        raise RunError(f"{out}: this suite has not come to its end; run it again, and it goes on") from error
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read ({one_line(error)}); run the suite again") from error


def write_outputs(summary: Json, out: Path, further: Sequence[Path] = (), named: Named | None = None) -> list[Path]:
    """Write every format into the run directory, and those asked for elsewhere; the summary that lay there before is kept.

    Args:
        summary: what :func:`voiceattack.suite.record.record` gives.
        out: the suite's run directory.
        further: files elsewhere; the suffix names the format.
        named: what the page shows beside the run.

    Raises:
        RunError: a file cannot be written, or the baseline or history named cannot be read.
    """
    check_outputs(further)
    keep_last(out)
    first = inside(out, NAMES[".json"])
    _write(first, to_json(summary))
    written = write_pages(summary, out, [suffix for suffix in FORMATS if suffix != ".json"], further, named)
    return [first, *written]


def write_pages(
    summary: Json, out: Path, suffixes: Sequence[str], further: Sequence[Path] = (), named: Named | None = None
) -> list[Path]:
    """Write formats of a summary that lies in the run directory already; as :func:`write_outputs`."""
    wanted = [*((inside(out, NAMES[suffix]), suffix) for suffix in suffixes), *((path, path.suffix.lower()) for path in further)]
    formats: dict[str, Callable[[Json], str]] = {**FORMATS, ".xml": partial(to_junit, folder=out)}  # it attaches recordings
    page = any(suffix == ".html" for _, suffix in wanted)
    found = beside(out, named or Named()) if page and not summary["shard"] else Beside()
    told = {**summary, "hints": [*summary["hints"], *found.notes]}
    for path, suffix in wanted:
        if suffix == ".html":
            _write(path, to_html(told, out, found.since, found.past, path.parent))
        else:
            _write(path, formats[suffix](summary))
    return [path for path, _ in wanted]


def _write(path: Path, text: str) -> None:
    with writing(path, "make room or choose another file"):
        write_whole(path, text.encode("utf-8", "replace"))


def write_cell_reports(outcome: Outcome) -> list[str]:
    """Write the suite's ``reports`` into each cell where they are missing or older than its results; paths relative to the run.

    Raises:
        UnknownNameError: no such format.
    """
    formats = [REPORTS.entry(name).name for name in outcome.suite.reports]
    written = []
    crafted = {sample.cell for sample in outcome.samples}
    for cell in outcome.cells:
        folder = directory(outcome.out, cell)
        for name in formats if cell.id in crafted else []:
            path = inside(folder, f"report.{name}")
            if not _is_newer(path, inside(folder, "results.jsonl")):
                (path,) = render(Run.open(folder), [name])
            written.append(path.relative_to(outcome.out).as_posix())
    return written


def _is_newer(report: Path, results: Path) -> bool:
    """Whether a report is there, and of these results. An empty one is what an earlier version left when it was killed."""
    try:
        found = report.stat()
    except FileNotFoundError:
        return False
    return found.st_size > 0 and found.st_mtime_ns >= results.stat().st_mtime_ns


def append_step_summary(summary: Json) -> None:
    """Append the Markdown to the file that GitHub Actions shows, when there is one."""
    append_to_step(to_markdown(summary))
