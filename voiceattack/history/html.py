"""A history as one HTML page that asks for nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from voiceattack.history.chart import charts
from voiceattack.history.history import History, case_name
from voiceattack.history.words import SHOWN, change_told, flaky_told, headline
from voiceattack.report.html.page import render_page

__all__ = ["to_html"]

NEWEST = 50
"""Runs in the table at once; the older ones behind a click."""


def to_html(found: Sequence[History]) -> str:
    """The page of one suite or several."""
    return render_page(
        "history.html.j2",
        styles=("history.css",),
        suites=[(history, charts(history), list(reversed(list(enumerate(history.runs, 1))))) for history in found],
        headline=headline,
        change_told=change_told,
        flaky_told=flaky_told,
        case_name=case_name,
        shown=SHOWN,
        newest=NEWEST,
    )
