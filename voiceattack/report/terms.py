"""Critical terms in reports: how many of the names and domain words said are not heard, and which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from voiceattack.report.console import number, with_interval
from voiceattack.report.markdown_text import code, escape, table

__all__ = ["terms"]


def terms(summary: dict[str, Any], rows: Sequence[dict[str, Any]]) -> str:
    """The section of the Markdown report; empty where no critical term was said."""
    cells = []
    for group in summary["groups"]:
        if group.get("critical_terms"):
            own = [row for row in rows if _belongs(row, group)]
            missed = Counter(term for row in own for term in row.get("critical_terms_missed") or ())
            cells.append(
                (
                    "equal-SNR noise (control)"
                    if group.get("is_control")
                    else escape(group.get("attack", group.get("perturbation"))),
                    code(group["victim"]),
                    str(group["critical_terms"]),
                    number(group["critical_term_error_rate_clean"]),
                    with_interval(group["critical_term_error_rate"], group["critical_term_ci95"]),
                    ", ".join(f"{escape(term)} {count}" for term, count in missed.most_common(12)) or "-",
                )
            )
    if not cells:
        return ""
    head = ("attack", "heard by", "terms said", "error rate, clean", "error rate [95%]", "missed, and how often")
    return "\n## Critical terms\n\nNames and domain words said that are not heard, whatever the WER.\n\n" + table(head, cells)


def _belongs(row: dict[str, Any], group: dict[str, Any]) -> bool:
    same = all(
        row.get(key) == group[key] for key in ("victim", "source_victim", "attack", "perturbation", "objective") if key in group
    )
    return same and ("is_control" not in group or (row["control_for"] is not None) == group["is_control"])
