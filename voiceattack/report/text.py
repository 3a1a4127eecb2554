"""The Markdown report of a run of texts. Nothing invisible is printed as it is: it is marked, as in ``kit⟨U+200B⟩chen``."""

from __future__ import annotations

from typing import Any

from voiceattack.report.console import number, with_interval
from voiceattack.report.markdown_text import code, escape, table
from voiceattack.report.sections.home import home_did
from voiceattack.report.sections.terms import terms
from voiceattack.runs.records import TextResult
from voiceattack.runs.run import Run

__all__ = ["changes", "render_text"]


def render_text(run: Run) -> str:
    """The whole report. Raises RunError when the run is not evaluated yet."""
    rows, summary = run.text_results(), run.summary()
    request = run.request
    facts = [
        ("perturbations", ", ".join(code(name) for name in request.get("perturbations", {}))),
        ("victim attacked", code(request["victim"]) if request.get("victim") else "none: a fixed corpus"),
        ("search", escape(request.get("search", "none"))),
        ("objective", escape(request.get("objective")) + (f", {escape(request['target'])}" if request.get("target") else "")),
        ("limits", ", ".join(escape(f"{key} {value}") for key, value in request.get("limits", {}).items() if value is not None)),
        ("spoken by", code(request["speak"]) if request.get("speak") else "nobody: typed"),
        ("language, seed", escape(f"{request.get('language')}, {request.get('seed')}")),
        ("run", f"{code(run.id)}, begun {escape(run.info.get('created', ''))}"),
    ]
    notes = "".join(f"- {escape(line)}\n" for line in summary["warnings"])
    parts = [
        "# voiceattack report: texts\n\nThese texts are adversarial: made to be misread. Use them on systems that you own.\n",
        table(("asked", ""), facts),
        "\n## Figures\n",
        _figures(summary),
        terms(summary, rows),
        f"\n## Read this before you trust the figures\n\n{notes}" if notes else "",
        "\n## Every text\n\n`⟨U+200B⟩` marks a character that a reader does not see.\n",
        table(
            ("text", "becomes", "change", "asked", "clean answer", "answer", "heard", "outcome"), [_cells(row) for row in rows]
        ),
        home_did(rows),
    ]
    return "\n".join(part for part in parts if part)


def _figures(summary: dict[str, Any]) -> str:
    rows = []
    for group in summary["groups"]:
        rows.append(
            (
                escape(group["perturbation"]),
                code(group["victim"]) if group["victim"] else "-",
                str(group["n"]),
                with_interval(group["success_rate"], group["success_ci95"]) + f" of {group['n_scored']}",
                str(group["n_flipped"]),
                str(group["n_voided"]),
                *(number(group[f"{name}_median"], 0) for name in ("edit_distance", "words_touched")),
                *(
                    number(group[f"{name}_median"], 2)
                    for name in ("semantic_similarity", "visual_similarity", "phonetic_distance")
                ),
                str(group["queries_total"]),
            )
        )
    head = ("perturbation", "asked", "n", "success [95%]", "flipped", "voided", "edits", "words", "meaning", "looks", "phones")
    return table((*head, "queries"), rows)


def changes(row: TextResult) -> str:
    """The edits of a row in words: ``lamp → ramp (0.40)``, ``i → U+0456``."""
    parts = []
    for edit in row.edits:
        old, new = edit["old"], edit["new"]
        if len(new) <= 2 and any(ord(character) > 127 for character in new):
            new = " ".join(f"U+{ord(character):04X}" for character in new)
        phones = "" if edit["distance"] is None else f" ({edit['distance']:.2f})"
        parts.append(f"{escape(old) or 'insert'} → {escape(new) or 'nothing'}{phones}")
    return "; ".join(parts)


def _cells(row: TextResult) -> tuple[str, ...]:
    return (
        escape(row.text),
        escape(row.perturbed) if row.perturbed is not None else "-",
        changes(row),
        code(row.victim) if row.victim else "-",
        escape(row.clean_answer),
        escape(row.answer),
        escape(row.heard),
        f"{escape(row.outcome)}{'' if row.error is None else ': ' + escape(row.error)}",
    )
