"""The Markdown report: the sections that are registered, one below the other."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from voiceattack.commands import command_line
from voiceattack.files import write_whole, writing
from voiceattack.report.sections import markdown_sections
from voiceattack.report.sections.base import Material
from voiceattack.report.text import render_text
from voiceattack.runs.run import Run
from voiceattack.unicode_text import visible

__all__ = ["render", "render_at"]


def render(run: Run) -> Path:
    """Write ``report.md`` and ``plots/<id>.png`` into the run; the path of the former.

    Raises:
        RunError: not evaluated yet, or cannot be written.
    """
    return render_at(run, run.path / "report.md")


def render_at(run: Run, path: Path) -> Path:
    """As :func:`render`, to ``path`` and ``plots/`` beside it; the run is only read.

    Raises:
        RunError: not evaluated yet, or cannot be written.
    """
    path = run.output(path)
    if run.request.get("kind") == "text":
        return _write(run, path, render_text(run))
    material = Material(run, run.results(), run.summary(), path.parent)
    with _writing(run, path):
        text = markdown_sections(material)
    return _write(run, path, text)


def _write(run: Run, path: Path, text: str) -> Path:
    with _writing(run, path):
        write_whole(path, visible(text).encode())
    return path


def _writing(run: Run, path: Path) -> AbstractContextManager[None]:
    return writing(path, f"make room, then: {command_line('report', run.path)}")
