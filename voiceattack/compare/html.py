"""A comparison as one HTML page that asks for nothing else; its part about one run stands in pages of suites too."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from voiceattack.compare.judged import Judged
from voiceattack.compare.text import clip_changes, few_pairs, figure_rows
from voiceattack.report.html.page import render_page
from voiceattack.report.templates import fill

__all__ = ["STYLES", "changes_section", "to_html"]

STYLES = ("compare.css",)
"""What a page that holds :func:`changes_section` needs beside ``report.css``."""
SHOWN = 50
"""Clips named at once; the others behind a click."""


def to_html(found: Sequence[Judged]) -> str:
    """The page of one run or several."""
    parts = [changes_section(one, str(place)) for place, one in enumerate(found, 1)]
    rows = figure_rows(found) if len(found) > 1 else []
    return render_page("compare.html.j2", styles=STYLES, found=found, parts=parts, rows=rows)


def changes_section(one: Judged, place: str = "") -> Markup:
    """What changed since the baseline: rules broken, figures, and every clip that changed, before and after.

    Args:
        one: the comparison.
        place: to tell the ids of several sections of a page apart.
    """
    changed = [change for group in one.comparison.groups for change in clip_changes(group)]
    few = [f"{group.name}: {few_pairs(group.too_few)}" for group in one.comparison.groups if group.too_few is not None]
    return fill("sections/compare.html.j2", one=one, place=place, changed=changed, few=few, new=one.comparison.new, most=SHOWN)
