"""On top of all: that an evaluation has not come to its end, so that its figures are of a part."""

from __future__ import annotations

from markupsafe import Markup

from voiceattack.commands import command_line
from voiceattack.report.markdown_text import code
from voiceattack.report.sections.base import Material, Section

__all__ = ["UNFINISHED"]


def _missing(material: Material) -> list[tuple[str, int, int]]:
    """Victims that have not heard every example: the victim, how many it has heard, of how many."""
    examples = {example.id for example in material.run.examples()}
    heard: dict[str, set[str]] = {}
    for row in material.every:
        heard.setdefault(row.victim, set()).add(row.id)
    counts = [(victim, len(ids & examples)) for victim, ids in heard.items()]
    return [(victim, count, len(examples)) for victim, count in counts if count < len(examples)]


def _again(material: Material, victim: str) -> str:
    return command_line("evaluate", material.run.path, "--victim", victim)


def _markdown(material: Material) -> str:
    lines = [
        f"**The evaluation has not come to its end:** {code(victim)} has heard {count} of {of} files, and all figures below are "
        f"of these alone. Go on with {code(_again(material, victim))}.\n"
        for victim, count, of in material.once(_missing)
    ]
    return "\n" + "\n".join(lines) if lines else ""


def _html(material: Material) -> Markup:
    lines = [
        Markup(
            "<p><strong>The evaluation has not come to its end:</strong> {} has heard {} of {} files, and all figures below are "
            "of these alone. Go on with <code>{}</code></p>"
        ).format(victim, count, of, _again(material, victim))
        for victim, count, of in material.once(_missing)
    ]
    return Markup('<section aria-label="unfinished">{}</section>').format(Markup("").join(lines)) if lines else Markup("")


UNFINISHED = Section(_markdown, _html, markdown_place=1, html_place=-1)
