"""The HTML report: one page that needs no network, with what each example sounds like.

In a run, ``report.html`` loads an example from ``report_files/<id>.js`` when it is opened (a script, since a page opened from a
disk may read nothing else), so that a thousand of them cost nothing until then. Elsewhere (``-o FILE``) all lies in the one
file, or beside it when that would be too large. All text is escaped by Jinja2 or set as text; a policy in the page forbids any
request but for those scripts and any script but the page's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from voiceattack.commands import command_line
from voiceattack.files import whole_file, write_whole, writing
from voiceattack.progress import each
from voiceattack.report.html.example import example_data
from voiceattack.report.html.page import page_stream
from voiceattack.report.html.text import render_text_page
from voiceattack.report.sections import html_sections
from voiceattack.report.sections.base import Material
from voiceattack.runs.records import Result
from voiceattack.runs.run import Run
from voiceattack.unicode_text import all_visible

__all__ = ["render", "render_alone"]

SCRIPTS = ("table.js", "sound.js", "draw.js", "example.js")
MOST_EMBEDDED_BYTES = 40_000_000


def render(run: Run) -> Path:
    """Write ``report.html`` and ``report_files/`` into the run; the path of the former.

    Raises:
        RunError: not evaluated yet, or cannot be written.
    """
    if run.request.get("kind") == "text":
        return render_text_page(run, run.path / "report.html")
    return _write(run, run.path / "report.html", "report_files")


def render_alone(run: Run, path: Path) -> Path:
    """Write the report to ``path``, sounds included; beside it, in ``<stem>_files``, when there are more than 40 MB of them.

    Raises:
        RunError: not evaluated yet, or cannot be written.
    """
    if run.request.get("kind") == "text":
        return render_text_page(run, path)
    names = {name for row in run.results() if not row.is_stage for name in (row.audio, row.clean_audio) if name}
    size = sum(file.stat().st_size for name in names if (file := run.resolve(name)).is_file())
    return _write(run, path, f"{path.stem}_files" if size > MOST_EMBEDDED_BYTES else None)


def _write(run: Run, path: Path, folder: str | None) -> Path:
    """The page at ``path``, and its examples in ``folder`` beside it, or in the page itself."""
    path = run.output(path)
    rows = run.results()
    material = Material(run, rows, run.summary(), path.parent)

    facts: dict[str, Any] = {"request": run.request, "sections": html_sections(material)}
    facts.update(folder=quote(folder) if folder else "", embedded=_embedded(run, rows) if folder is None else ())
    with writing(path, f"make room, then: {command_line('report', run.path)}"):
        for data in _examples(run, rows) if folder is not None else ():
            name = f"{run.audio_path(data['id']).stem}.js"
            beside = run.output(path.parent / str(folder) / name)
            write_whole(beside, f"voiceattackExample({json.dumps(all_visible(data))});\n".encode("ascii"))
        with whole_file(path) as stream:
            page_stream("report.html.j2", scripts=SCRIPTS, **facts).dump(stream, encoding="utf-8", errors="replace")
    return path


def _examples(run: Run, rows: list[Result]) -> Iterator[dict[str, Any]]:
    """One at a time, so that no more than one clip's sound is in memory."""
    sources = {example.id: example.source for example in run.examples()}
    heard: dict[str, list[Result]] = {}
    controls: dict[str, list[Result]] = {}
    for row in rows:
        if row.control_for is not None:
            controls.setdefault(row.control_for, []).append(row)
        elif not row.is_stage:
            heard.setdefault(row.id, []).append(row)
    for identifier, members in each(list(heard.items()), "drawing", lambda item: item[0]):
        yield example_data(run, sources.get(identifier, ""), members, controls.get(identifier, []))


def _embedded(run: Run, rows: list[Result]) -> Iterator[tuple[str, Markup]]:
    return ((data["id"], htmlsafe_json_dumps(all_visible(data))) for data in _examples(run, rows))
