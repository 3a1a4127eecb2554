"""The files that a suite leaves: summary.json, junit.xml, report.md, results.csv, and those asked for elsewhere."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from voiceattack.errors import UnknownNameError
from voiceattack.files import inside, write_whole, writing
from voiceattack.report import FORMATS as REPORTS
from voiceattack.report import render
from voiceattack.report.step_summary import append_to_step
from voiceattack.runs.run import Run
from voiceattack.suite.cells import directory
from voiceattack.suite.execute import Outcome
from voiceattack.suite.junit import to_junit
from voiceattack.suite.load import nearest
from voiceattack.suite.markdown import to_markdown
from voiceattack.unicode_text import csv_cell

__all__ = ["FORMATS", "append_step_summary", "check_outputs", "write_cell_reports", "write_outputs"]

Json = dict[str, Any]
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


FORMATS: dict[str, Callable[[Json], str]] = {".json": to_json, ".xml": to_junit, ".md": to_markdown, ".csv": to_csv}
NAMES = {".json": "summary.json", ".xml": "junit.xml", ".md": "report.md", ".csv": "results.csv"}


def check_outputs(paths: Sequence[Path]) -> None:
    """Raise :class:`~voiceattack.errors.UnknownNameError` for a suffix that names no format."""
    for path in paths:
        if path.suffix.lower() not in FORMATS:
            known = ", ".join(FORMATS)
            raise UnknownNameError(
                f"output {path}: suffix {path.suffix!r} names no format{nearest(path.suffix, list(FORMATS))}; formats: {known}"
            )


def write_outputs(summary: Json, out: Path, further: Sequence[Path] = ()) -> list[Path]:
    """Write every format into the run directory, and those asked for elsewhere.

    Raises:
        RunError: a file cannot be written.
    """
    check_outputs(further)
    own = [(inside(out, NAMES[suffix]), suffix) for suffix in FORMATS]
    wanted = [*own, *((path, path.suffix.lower()) for path in further)]
    formats: dict[str, Callable[[Json], str]] = {**FORMATS, ".xml": partial(to_junit, folder=out)}  # it attaches recordings
    for path, suffix in wanted:
        with writing(path, "make room or choose another file"):
            write_whole(path, formats[suffix](summary).encode("utf-8", "replace"))
    return [path for path, _ in wanted]


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
