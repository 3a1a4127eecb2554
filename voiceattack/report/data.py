"""Reports for programs: JSON and CSV."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from voiceattack.files import whole_text, write_whole, writing
from voiceattack.runs.run import Run
from voiceattack.unicode_text import csv_cell, escape_json

__all__ = ["render_csv", "render_csv_at", "render_json", "render_json_at"]


def render_json(run: Run) -> Path:
    """``report.json``: run.json, summary.json and results.jsonl in one object."""
    return render_json_at(run, run.path / "report.json")


def render_json_at(run: Run, path: Path) -> Path:
    """The same to ``path``; the run is only read."""
    path = run.output(path)
    whole = {"run": run.info, "summary": run.summary(), "results": [result.as_json() for result in run.any_results()]}
    with writing(path, "make room or choose another folder"):
        write_whole(path, escape_json(json.dumps(whole, ensure_ascii=False, indent=1)).encode())
    return path


def render_csv(run: Run) -> Path:
    """``report.csv``: one line a result; nested values as JSON."""
    return render_csv_at(run, run.path / "report.csv")


def render_csv_at(run: Run, path: Path) -> Path:
    """The same to ``path``; the run is only read."""
    path = run.output(path)
    rows = [
        {name: csv_cell(value) for name, value in result.as_json().items() if name != "trace"} for result in run.any_results()
    ]
    names = list(dict.fromkeys(name for row in rows for name in row))
    with writing(path, "make room or choose another folder"), whole_text(path) as stream:
        writer = csv.DictWriter(stream, names)
        writer.writeheader()
        writer.writerows(rows)
    return path
