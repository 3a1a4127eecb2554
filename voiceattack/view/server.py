"""The page of ``voiceattack view``: a table by the page, an artefact opened with what each victim heard, marks, export."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, fields
from http import HTTPStatus
from pathlib import Path
from typing import Any

import voiceattack.report.html
from voiceattack.errors import VoiceAttackError
from voiceattack.files import read_bytes
from voiceattack.local_server import LocalHandler, LocalServer
from voiceattack.report.alignment import align
from voiceattack.report.html.example import example_data
from voiceattack.runs.records import AnyResult, Result, TextResult
from voiceattack.runs.run import Run
from voiceattack.unicode_text import all_visible, csv_cell
from voiceattack.view.table import Asked, Table, export_lines

__all__ = ["ViewServer"]

MOST_MARKS = 100_000
REPORT = Path(voiceattack.report.html.__file__).parent / "templates"


class ViewServer(LocalServer):
    """Serves one table on 127.0.0.1 until it is shut down; raises RunError when the port cannot be used."""

    def __init__(self, table: Table, port: int = 0) -> None:
        super().__init__(_Handler, port)
        self.table = table


class _Handler(LocalHandler):
    server: ViewServer
    folder = Path(__file__).parent / "page"
    static = {"": "view.html", "view.js": "view.js", "view.css": "view.css"}  # noqa: RUF012
    most_body = 16 * MOST_MARKS

    def get(self, name: str, asked: dict[str, str]) -> None:
        """``facets``, ``rows?...`` (:class:`Asked`), ``example?key=``, ``sound?key=&kind=``, ``export.jsonl``, ``export.csv``."""
        table = self.server.table
        if name == "report.css":  # the same colours and parts as the reports'
            return self.send((REPORT / name).read_bytes(), "text/css; charset=utf-8")
        try:
            if name == "facets":
                return self.send_json({**table.facets(), "figures": table.figures, "digits": table.digits})
            if name == "rows":
                return self.send_json(all_visible(asdict(table.page(_asked(asked)))))
            if name == "example":
                return self.send_json(all_visible(_example(*table.artefact(int(asked["key"])))))
            if name == "sound" and asked["kind"] in ("clean", "adversarial", "noise"):
                return self.send(read_bytes(table.sound(int(asked["key"]), asked["kind"])), "audio/flac")  # type: ignore[arg-type]
            if name in ("export.jsonl", "export.csv"):
                text = _export(table, name.rpartition(".")[2])
                return self.send(
                    text.encode("utf-8", "replace"),
                    "text/csv; charset=utf-8" if name.endswith("csv") else "application/x-ndjson",
                    Content_Disposition=f'attachment; filename="voiceattack-{name}"',
                )
        except (VoiceAttackError, OSError) as error:
            return self.send_json({"error": str(error)}, HTTPStatus.NOT_FOUND)
        except (KeyError, ValueError):
            return self.refuse(HTTPStatus.BAD_REQUEST)
        return self.refuse(HTTPStatus.NOT_FOUND)

    def post(self, name: str, told: Any) -> None:
        """``mark``: ``{"keys": [...], "on": true}``, or ``{"asked": {...}, "on": true}`` for all rows that fit."""
        if name != "mark":
            return self.refuse(HTTPStatus.NOT_FOUND)
        table = self.server.table
        if "asked" in told:
            page = table.page(_asked({str(key): str(value) for key, value in told["asked"].items()}), MOST_MARKS)
            keys = [row["key"] for row in page.rows]
        else:
            keys = [int(key) for key in told["keys"]]
        return self.send_json({"marked": table.mark(keys, bool(told["on"]))})


def _asked(given: dict[str, str]) -> Asked:
    """Raises ValueError for an offset that is no number."""
    known = {field.name: given[field.name] for field in fields(Asked) if field.name in given}
    flags = {name: known.pop(name) in ("1", "true") for name in ("differ", "marked", "controls", "descending") if name in known}
    offset = min(int(known.pop("offset", "0")), 1 << 40)
    return Asked(**known, **flags, offset=offset)  # type: ignore[arg-type]


def _example(run: Run, rows: list[AnyResult], controls: list[AnyResult]) -> dict[str, Any]:
    first = rows[0]
    if isinstance(first, TextResult):
        told = {"perturbed": (first.text, first.perturbed), "answer": (first.clean_answer or "", first.answer)}
        answers = [{"name": name, "diff": align(before, after or "")} for name, (before, after) in told.items()]
        heard = [{"victim": first.victim or "nobody", "outcome": first.outcome, "error": first.error, "versions": answers}]
        return {"id": first.id, "run": str(run.path), "reference": first.text, "heard": heard, "sounds": []}
    heard_rows = [row for row in rows if isinstance(row, Result)]
    data = example_data(run, "", heard_rows, [row for row in controls if isinstance(row, Result)])
    return {**data, "run": str(run.path), "sounds": sorted(data["sounds"])}


def _export(table: Table, kind: str) -> str:
    lines = list(export_lines(table.marked()))
    if kind == "jsonl":
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    text = io.StringIO(newline="")
    names = list(dict.fromkeys(name for line in lines for name in line)) or ["id"]
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows({name: csv_cell(value) for name, value in line.items()} for line in lines)
    return text.getvalue()
