"""The HTML report of a run of texts: one page that stands alone; each change is marked, invisible characters by number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from voiceattack.commands import command_line
from voiceattack.files import whole_file, writing
from voiceattack.report.commands import evaluate_command
from voiceattack.report.html.page import page_stream
from voiceattack.report.sections.home import deeds
from voiceattack.runs.run import Run

__all__ = ["pieces", "render_text_page"]

Row = dict[str, Any]
SIZES = (
    ("edits", "edit_distance", 0),
    ("words", "words_touched", 0),
    ("meaning", "semantic_similarity", 2),
    ("looks", "visual_similarity", 2),
    ("phones", "phonetic_distance", 2),
)


def render_text_page(run: Run, path: Path) -> Path:
    """Write the page to ``path``, which stands alone; its path.

    Raises:
        RunError: not evaluated yet, or cannot be written.
    """
    path = run.output(path)
    rows, summary = run.text_results(), run.summary()
    page = page_stream(
        "text.html.j2",
        styles=("text.css",),
        run=run,
        again=evaluate_command(run),
        request=run.request,
        summary=summary,
        sizes=SIZES,
        deeds=deeds(rows),
        rows=[{**row.as_json(), "pieces": pieces(row.text, row.edits)} for row in rows],
        here=path.parent.resolve() == run.path.resolve(),
    )
    with writing(path, f"make room, then: {command_line('report', run.path)}"), whole_file(path) as stream:
        page.dump(stream, encoding="utf-8", errors="replace")
    return path


def pieces(text: str, edits: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The changed text in parts: (``same|old|new``, characters), in order."""
    found: list[tuple[str, str]] = []
    at = 0
    for edit in sorted(edits, key=lambda edit: (edit["start"], edit["end"])):
        found += [("same", text[at : edit["start"]]), ("old", edit["old"]), ("new", edit["new"])]
        at = edit["end"]
    return [(kind, part) for kind, part in [*found, ("same", text[at:])] if part]
