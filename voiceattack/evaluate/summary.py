"""Aggregates of evaluated rows, per (victim, attack, objective, and severity of a corruption), with confidence intervals."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from voiceattack.evaluate.timing import summarize_time
from voiceattack.languages import error_unit
from voiceattack.metrics import columns
from voiceattack.metrics.error_rate import ErrorRate
from voiceattack.metrics.intervals import wilson
from voiceattack.metrics.terms import summarize_terms
from voiceattack.runs.records import Result, corpus_cer, unit_notes

__all__ = ["attack_name", "summarize"]


def summarize(rows: Sequence[Result]) -> dict[str, Any]:
    """Groups and warnings, as summary.json holds them.

    ``n`` counts all rows; ``n_scored`` leaves out errors and clips whose clean version was misheard already
    (``clean_wrong``), and is what ``success_rate`` is over; a file equal to the clean one (``no_effect``) is scored and is
    never a success. WER and CER are over the whole corpus of rows that were heard, clean WER over those of them that have a
    reference text, None without any; ``wer_capped`` counts no more
    errors in a clip than it has words, so that one repetition loop cannot carry the figure. Artefacts met on the way to another
    (``stage_of``) are left out; :mod:`voiceattack.evaluate.curve` is about them.
    """
    keys: dict[tuple[Any, ...], list[Result]] = {}
    rows = [row for row in rows if not row.is_stage]
    for row in rows:
        key = (
            row.victim,
            row.source_victim,
            row.is_control,
            row.attack,
            row.objective,
            row.target,
            row.severity,
        )
        keys.setdefault(key, []).append(row)
    groups = [_group(key, members) for key, members in keys.items()]
    return {"groups": groups, "warnings": _warnings(rows, groups)}


def attack_name(group: dict[str, Any]) -> str:
    """The attack of a group of the summary, with a corruption's severity."""
    return f"{group['attack']}" + (f", severity {group['severity']}" if group.get("severity") is not None else "")


def _group(key: tuple[Any, ...], rows: list[Result]) -> dict[str, Any]:
    victim, source_victim, is_control, attack, objective, target, severity = key
    outcomes = [row.outcome for row in rows]
    heard = [row for row in rows if row.transcribed]
    scored = [row for row in rows if row.scored]
    wrong = [row for row in rows if row.outcome == "clean_wrong"]
    fooled = outcomes.count("fooled")
    errors = ErrorRate.of(row.word_errors() for row in heard)
    told = [row for row in heard if row.has_reference]  # against itself a transcript has no errors
    clean_errors = ErrorRate.of(row.clean_word_errors() for row in told)
    return {
        "victim": victim,
        "source_victim": source_victim,
        "attack": attack,
        "objective": objective,
        "target": target,
        **({} if severity is None else {"severity": severity}),
        "is_control": is_control,
        "n": len(rows),
        "n_scored": len(scored),
        "n_clean_wrong": len(wrong),
        "n_no_effect": outcomes.count("no_effect"),
        "n_error": outcomes.count("error"),
        **({"error_unit": "character"} if any(error_unit(row.language) == "character" for row in heard) else {}),
        "wer_clean": clean_errors.compute(),
        "wer": errors.compute(),
        "wer_capped": errors.capped().compute(),
        "wer_ci95": errors.interval(),
        "cer": corpus_cer(heard),
        "success_rate": _ratio(fooled, len(scored)),
        "success_ci95": wilson(fooled, len(scored)),
        "success_rate_clean_wrong": _ratio(sum(bool(row.success) for row in wrong), len(wrong)),
        **{metric.median: _median(rows, metric.name) for metric in columns("summary")},
        **_actions(heard),
        **summarize_terms(heard),
        **summarize_time(rows),
        "seconds_total": sum(row.seconds for row in rows),
        "steps_total": sum(row.steps for row in rows),
        "queries_total": sum(row.queries for row in rows),
    }


def _actions(rows: Sequence[Result]) -> dict[str, Any]:
    """Of an assistant: shares of rows in which it does what was said, in which the action is not that of the clean clip, in which
    the intent is wrong, and of slots that are."""
    acted = [row for row in rows if row.acted]
    if not acted:
        return {}
    right = sum(not row.action_error for row in acted)
    return {
        "action_success_rate": _ratio(right, len(acted)),
        "action_success_ci95": wilson(right, len(acted)),
        "action_changed_rate": _ratio(sum(row.action != row.clean_action for row in acted), len(acted)),
        "intent_error_rate": _ratio(sum(bool(row.intent_error) for row in acted), len(acted)),
        "slot_error_rate": _ratio(sum(row.slot_errors or 0 for row in acted), sum(row.slots or 0 for row in acted)),
    }


def _ratio(above: float, below: float) -> float | None:
    return above / below if below else None


def _median(rows: Iterable[Result], name: str) -> float | None:
    values = [value for row in rows if (value := row.value(name)) is not None]
    return statistics.median(values) if values else None


def _warnings(rows: Sequence[Result], groups: Sequence[dict[str, Any]]) -> list[str]:
    """What a reader must know before trusting the figures."""
    notes = []
    missing = {row.id for row in rows if not row.has_reference}
    if missing:
        notes.append(f"{len(missing)} examples have no reference text: the victim's own clean transcript is the reference there")
    notes += unit_notes((row.victim, row.language) for row in rows)
    for group in groups:
        name = f"{attack_name(group)}{' (control)' if group['is_control'] else ''} on {group['victim']}"
        if group["n_clean_wrong"] and not group["is_control"]:
            notes.append(
                f"{name}: {group['n_clean_wrong']} of {group['n']} clean clips are misheard already, "
                "so they are left out of the success rate"
            )
        if group["wer"] is not None and group["wer"] > 1.05 * group["wer_capped"]:
            notes.append(
                f"{name}: WER {group['wer']:.2f} counts invented words (repetition loops); "
                f"with at most one error a reference word it is {group['wer_capped']:.2f}"
            )
        if group["n_no_effect"]:
            notes.append(f"{name}: {group['n_no_effect']} of {group['n']} artefacts equal their clean clip (no_effect)")
        if group["n_error"]:
            notes.append(f"{name}: {group['n_error']} of {group['n']} examples failed (error)")
    doubtful = [row for row in rows if row.warnings]
    for text in dict.fromkeys(text for row in doubtful for text in row.warnings):
        count = len({row.id for row in doubtful if text in row.warnings})
        notes.append(f"{text} ({count} example{'s' if count > 1 else ''})")
    return notes
