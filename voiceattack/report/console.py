"""The summary as a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from voiceattack.evaluate.summary import attack_name
from voiceattack.metrics import columns
from voiceattack.metrics.text import NORMALIZER
from voiceattack.runs.run import Run
from voiceattack.unicode_text import visible

__all__ = ["normalizer_of", "number", "rate_label", "summary_table", "term_lines", "text_table", "with_interval"]


def summary_table(summary: dict[str, Any]) -> Table:
    """One row per victim and attack, controls beneath their attack; fits 100 columns."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("attack", "victim"):
        table.add_column(name, overflow="fold")
    rate = rate_label(summary["groups"])
    for name in ("n", f"clean {rate}", f"{rate} [95% CI]", "success [95% CI]"):
        table.add_column(name, justify="right")
    sizes = columns("console")
    for metric in sizes:
        table.add_column(_plain(metric.heading_in("console")), justify="right")
    for group in sorted(summary["groups"], key=lambda group: (group["victim"], group["is_control"])):
        table.add_row(
            "noise, same SNR (control)" if group["is_control"] else _plain(f"{attack_name(group)} {group['objective']}"),
            _plain(group["victim"]),
            str(group["n"]),
            number(group["wer_clean"]),
            with_interval(group["wer"], group["wer_ci95"]),
            with_interval(group["success_rate"], group["success_ci95"]),
            *(number(group.get(metric.median), metric.digits_in("console")) for metric in sizes),
        )
    return table


def rate_label(groups: Sequence[dict[str, Any]]) -> str:
    """What the error rates of these groups are called together: WER, or CER where characters are counted."""
    units = {group.get("error_unit", "word") for group in groups}
    return "WER or CER" if len(units) > 1 else "CER" if units == {"character"} else "WER"


def normalizer_of(run: Run) -> str:
    """The normaliser that the run's figures were made with, and what to do when it is not the one of this version."""
    made_with = run.summary().get("made_with") or {}
    used = str(made_with.get("normalizer") or run.info.get("normalizer", ""))
    return used if used == NORMALIZER else f"{used}; this version has {NORMALIZER}: evaluate the run again"


def number(value: float | None, digits: int = 2) -> str:
    """``value`` with ``digits`` decimals, or a dash."""
    return "-" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"  # never -0.0


def with_interval(value: float | None, interval: Any) -> str:
    """``0.50 [0.25, 0.75]``."""
    return number(value) if value is None or interval is None else f"{value:.2f} [{interval[0]:.2f}, {interval[1]:.2f}]"


def text_table(summary: dict[str, Any]) -> Table:
    """One row per victim and perturbation of a run of texts."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("perturbation", "victim"):
        table.add_column(name, overflow="fold")
    for name in ("n", "success [95% CI]", "flipped", "voided", "words", "edits", "meaning", "looks", "phones", "queries"):
        table.add_column(name, justify="right")
    for group in summary["groups"]:
        table.add_row(
            _plain(group["perturbation"]),
            _plain(group["victim"] or "-"),
            str(group["n"]),
            with_interval(group["success_rate"], group["success_ci95"]),
            str(group["n_flipped"]),
            str(group["n_voided"]),
            number(group["words_touched_median"], 0),
            number(group["edit_distance_median"], 0),
            number(group["semantic_similarity_median"]),
            number(group["visual_similarity_median"]),
            number(group["phonetic_distance_median"]),
            str(group["queries_total"]),
        )
    return table


def _plain(text: str) -> str:
    """Text as it stands: invisible characters marked, and nothing taken for the console's markup."""
    return escape(visible(text))


def term_lines(summary: dict[str, Any]) -> list[str]:
    """One line a group on its critical terms, where some were said."""
    lines = []
    for group in summary["groups"]:
        if group.get("critical_terms"):
            name = "noise, same SNR" if group.get("is_control") else group.get("attack", group.get("perturbation"))
            rate = with_interval(group["critical_term_error_rate"], group["critical_term_ci95"])
            clean = number(group["critical_term_error_rate_clean"])
            lines.append(
                f"critical_term_error_rate {rate} of {group['critical_terms']} said, clean {clean}: {name} on {group['victim']}"
            )
    return lines
