"""What a reader must know before trusting the figures."""

from __future__ import annotations

from markupsafe import Markup

from voiceattack.report.markdown_text import escape
from voiceattack.report.sections.base import Material, Section
from voiceattack.report.templates import fill

__all__ = ["NOTES"]


def _markdown(material: Material) -> str:
    summary = material.summary
    if not summary["warnings"]:
        return ""
    return "\n## Read this before you trust the figures\n\n" + "".join(f"- {escape(line)}\n" for line in summary["warnings"])


def _html(material: Material) -> Markup:
    return fill("sections/notes.html.j2", notes=material.summary["warnings"])


NOTES = Section(_markdown, _html, markdown_place=20, html_place=10)
