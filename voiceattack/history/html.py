"""A history as one HTML page that asks for nothing else; its parts stand in pages of suites too."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from voiceattack.history.chart import charts
from voiceattack.history.history import History, case_name
from voiceattack.history.words import SHOWN, change_told, flaky_told, headline, known_told
from voiceattack.report.html.page import render_page
from voiceattack.report.templates import fill

__all__ = ["STYLES", "gates_section", "to_html", "told_section"]

STYLES = ("history.css",)
"""What a page that holds the sections needs beside ``report.css``."""
NEWEST = 50
"""Runs in the table at once; the older ones behind a click."""


def to_html(found: Sequence[History]) -> str:
    """The page of one suite or several."""
    return render_page(
        "history.html.j2",
        styles=STYLES,
        suites=[(history, list(reversed(list(enumerate(history.runs, 1))))) for history in found],
        headline=headline,
        told_section=told_section,
        gates_section=gates_section,
        newest=NEWEST,
    )


def told_section(history: History, place: int = 1) -> Markup:
    """Changes, flaky cases, known failures, what is new and gone; nothing where there is none of it.

    Args:
        history: which.
        place: to tell the ids of several histories on a page apart.
    """
    told = {"change_told": change_told, "flaky_told": flaky_told, "known_told": known_told, "case_name": case_name}
    return fill("sections/history_told.html.j2", history=history, place=place, shown=SHOWN, **told)


def gates_section(history: History, place: int = 1) -> Markup:
    """A chart a gate: its figure over the runs."""
    return fill("sections/history_gates.html.j2", charts=charts(history), place=place)
