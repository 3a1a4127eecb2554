"""Critical terms in reports: how many of the names and domain words said are not heard, and which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from voiceattack.metrics import columns
from voiceattack.report.console import number, with_interval
from voiceattack.report.markdown_text import code, escape, table
from voiceattack.report.sections.base import Section
from voiceattack.runs.records import AnyResult

__all__ = ["TERMS", "terms"]


def terms(summary: dict[str, Any], rows: Sequence[AnyResult]) -> str:
    """The section of the Markdown report; empty where no critical term was said."""
    cells = []
    further = columns("summary", "terms")
    for group in summary["groups"]:
        if group.get("critical_terms"):
            own = [row for row in rows if _belongs(row, group)]
            missed = Counter(term for row in own for term in row.critical_terms_missed or ())
            cells.append(
                (
                    "equal-SNR noise (control)"
                    if group.get("is_control")
                    else escape(group.get("attack", group.get("perturbation"))),
                    code(group["victim"]),
                    str(group["critical_terms"]),
                    number(group["critical_term_error_rate_clean"]),
                    with_interval(group["critical_term_error_rate"], group["critical_term_ci95"]),
                    *(number(group.get(metric.median), metric.digits_in("summary")) for metric in further),
                    ", ".join(f"{escape(term)} {count}" for term, count in missed.most_common(12)) or "-",
                )
            )
    if not cells:
        return ""
    rates = ("error rate, clean", "error rate [95%]", *(escape(metric.heading_in("summary")) for metric in further))
    head = ("attack", "heard by", "terms said", *rates, "missed, and how often")
    return "\n## Critical terms\n\nNames and domain words said that are not heard, whatever the WER.\n\n" + table(head, cells)


def _belongs(row: AnyResult, group: dict[str, Any]) -> bool:
    names = ("victim", "source_victim", "attack", "perturbation", "objective")
    same = all(getattr(row, name, None) == group[name] for name in names if name in group)
    return same and ("is_control" not in group or row.is_control == group["is_control"])


TERMS = Section(lambda material: terms(material.summary, material.rows), markdown_place=80)
