"""What is counted apart: misheard clean clips, no effect, errors; and attacks that failed, with how near they came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from voiceattack.objectives import wanted
from voiceattack.report.console import number
from voiceattack.report.markdown_text import code, escape, link, table
from voiceattack.report.sections.base import Material, Section
from voiceattack.runs.records import Result

__all__ = ["APART"]


def _markdown(material: Material) -> str:
    """Sections on what is counted apart: misheard clean clips, no effect, errors, and attacks that failed."""
    attacked = [row for row in material.rows if not row.is_control]
    parts = []

    def section(title: str, outcome: str, head: Sequence[str], cells: Any) -> None:
        members = [row for row in attacked if row.outcome == outcome]
        if members:
            parts.append(f"\n## {title} ({len(members)})\n\n" + table(head, [cells(row) for row in members]))

    section(
        "Misheard already when clean, counted apart",
        "clean_wrong",
        ("example", "heard by", "said", "heard clean", "clean WER", "success all the same"),
        lambda row: (
            _link(row),
            code(row.victim),
            escape(row.reference),
            escape(row.clean_hypothesis),
            number(row.wer_clean),
            "yes" if row.success else "no",
        ),
    )
    section(
        "Held: the attack failed, and how near it came",
        "held",
        ("example", "heard by", "wanted", "heard", "WER", "nearest"),
        lambda row: (
            _link(row),
            code(row.victim),
            _wanted(row),
            escape(row.hypothesis),
            number(row.wer),
            _nearest(row),
        ),
    )
    section(
        "No effect: the saved file equals the clean one",
        "no_effect",
        ("example", "heard by"),
        lambda r: (_link(r), code(r.victim)),
    )
    section("Errors", "error", ("example", "heard by", "error"), lambda row: (_link(row), code(row.victim), escape(row.error)))
    return "".join(parts)


def _wanted(row: Result) -> str:
    return escape(wanted(row.objective, row.target))


NEARNESS = {
    "wer_to_target": "WER to the target",
    "wer_from_clean": "WER from the clean transcript",
    "words_heard": "words heard",
    "times_over_budget": "times over the budget, of the quietest that fooled,",
}


def _nearest(row: Result) -> str:
    """How near the search came, in words: the last line of its trace says it, or what the lines before it hold."""
    trace = row.trace or []
    words = []
    last = trace[-1] if trace else {}
    if last.get("nearest") in NEARNESS and isinstance(last.get("reached"), (int, float)):
        wanted = f" (wanted: {last['wanted']:g})" if isinstance(last.get("wanted"), (int, float)) else ""
        words.append(f"{NEARNESS[last['nearest']]} {last['reached']:.2f}{wanted}")
    shares = [line["tokens_wrong"] for line in trace if line.get("tokens_wrong") is not None]
    losses = [line["loss"] for line in trace if line.get("loss") is not None]
    if shares and row.objective != "untargeted":
        words.append(f"{min(shares):.0%} of tokens still wrong at best")
    elif losses:
        words.append(f"loss {losses[0]:.3g} to {min(losses):.3g} in {escape(row.steps)} steps")
    return "; ".join(words) or "no search was needed"


def _link(row: Result) -> str:
    return link(row.id, f"#{str(row.id).replace('.', '')}") if row.audio else escape(row.id)


APART = Section(_markdown, markdown_place=90)
