"""Time in reports: how long the victim took over the artefacts and the clean clips, and how much it wrote."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from voiceattack.evaluate.summary import attack_name
from voiceattack.report.console import number
from voiceattack.report.markdown_text import code, escape, table
from voiceattack.report.sections.base import Material, Section
from voiceattack.report.templates import fill

__all__ = ["TIME"]

EXPLAIN = (
    "Real-time factor: seconds of hearing a second of audio; the ratios are to the same clip when clean. The first hearing after "
    "loading, answers out of a cache and clips heard together have no time. p95 of fewer than 20 clips is the slowest. Times are "
    "of this machine as busy as it was."
)
COLUMNS = {
    "seconds, p50": ("seconds_p50",),
    "p95": ("seconds_p95",),
    "real-time factor, p50 (clean)": ("rtf_p50", "clean_rtf_p50"),
    "real-time factor, p95 (clean)": ("rtf_p95", "clean_rtf_p95"),
    "time to clean, p50": ("latency_ratio_p50",),
    "time to clean, p95": ("latency_ratio_p95",),
    "tokens to clean, p50": ("tokens_ratio_p50",),
    "tokens to clean, most": ("tokens_ratio_max",),
}


def _lines(summary: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    """Attack, victim, and figures of each group that has a time."""
    found = []
    for group in summary["groups"]:
        if told := group.get("time"):
            name = "equal-SNR noise (control)" if group["is_control"] else f"{attack_name(group)} {group['objective']}"
            found.append((name, group["victim"], [str(told["n"]), *(_cell(told, keys) for keys in COLUMNS.values())]))
    return found


def _cell(told: dict[str, Any], keys: tuple[str, ...]) -> str:
    first, *others = (number(told.get(key)) for key in keys)
    return f"{first} ({others[0]})" if others else first


def _markdown(material: Material) -> str:
    if not (lines := _lines(material.summary)):
        return ""
    rows = [(escape(name), code(victim), *cells) for name, victim, cells in lines]
    return f"\n## Time\n\n{EXPLAIN}\n\n" + table(("attack", "heard by", "timed", *COLUMNS), rows)


def _html(material: Material) -> Markup:
    lines = _lines(material.summary)
    return fill("sections/time.html.j2", lines=lines, heads=("timed", *COLUMNS), explain=EXPLAIN)


TIME = Section(_markdown, _html, markdown_place=85, html_place=85)
