"""What an assistant did: command by command, and where words and action part. Section ``Actions`` of the Markdown report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from voiceattack.report.console import number
from voiceattack.report.markdown_text import code, escape, table
from voiceattack.report.sections.base import Material, Section
from voiceattack.report.templates import fill
from voiceattack.runs.records import Result

__all__ = ["ACTIONS", "Command", "Parted", "actions", "by_command", "parted"]


@dataclass(frozen=True)
class Command:
    """One command as one victim takes its artefacts.

    Attributes:
        said: its reference text.
        means: the action of that text.
        victim: who listens.
        n: artefacts of it.
        right, clean_right: of them, and of their clean clips, those on which the victim does what was said.
        noise_n, noise_right: the same of noise of the same SNR.
        intent_errors: artefacts with another intent, or none.
        slot_error_rate: slots missing, added or different, of all; None where there are no slots.
    """

    said: str
    means: str
    victim: str
    n: int
    right: int
    clean_right: int
    noise_n: int
    noise_right: int
    intent_errors: int
    slot_error_rate: float | None


@dataclass(frozen=True)
class Parted:
    """Rows in which words and action part: ``words`` changed and the action did not, or the ``action`` did and no word."""

    words: list[Result]
    action: list[Result]


def by_command(rows: Sequence[Result]) -> list[Command]:
    """A line a command and victim, those that go wrong most often first; ``rows`` of results.jsonl, noise controls included."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for row in _acted(rows):
        groups.setdefault((row.victim, row.reference or ""), []).append(row)
    found = []
    for (victim, said), every in groups.items():
        members, noise = [row for row in every if not row.is_control], [row for row in every if row.is_control]
        slots = sum(row.slots or 0 for row in members)
        found.append(
            Command(
                said,
                every[0].reference_action or "",
                victim,
                len(members),
                sum(not row.action_error for row in members),
                sum(row.clean_action == row.reference_action for row in members),
                len(noise),
                sum(not row.action_error for row in noise),
                sum(bool(row.intent_error) for row in members),
                sum(row.slot_errors or 0 for row in members) / slots if slots else None,
            )
        )
    return sorted((one for one in found if one.n), key=lambda one: (one.right / one.n, one.said, one.victim))


def parted(rows: Sequence[Result]) -> Parted:
    """Where a change of words changed no action, and the reverse, both against the clean clip; noise controls left out."""
    members = [row for row in _acted(rows) if not row.is_control]
    reworded = [(row, row.normalized_hypothesis != row.normalized_clean_hypothesis) for row in members]
    return Parted(
        [row for row, words in reworded if words and row.action == row.clean_action],
        [row for row, words in reworded if not words and row.action != row.clean_action],
    )


def _acted(rows: Sequence[Result]) -> list[Result]:
    return [row for row in rows if row.acted and not row.is_stage]


def actions(rows: Sequence[Result]) -> str:
    """Section ``Actions`` of the rows whose victim acts; empty without any."""
    acted = [row for row in _acted(rows) if not row.is_control]
    if not acted:
        return ""
    cells = []
    for one in by_command(rows):
        shares = (f"{one.clean_right} of {one.n}", f"{one.right} of {one.n}", f"{one.noise_right} of {one.noise_n}")
        texts = (escape(one.said), escape(one.means), code(one.victim))
        cells.append((*texts, *shares, str(one.intent_errors), number(one.slot_error_rate)))
    head = ("said", "means", "heard by", "right when clean", "right", "right under noise", "intent errors", "slot error rate")
    found = parted(rows)
    parts = [
        "\n## Actions\n\nRight is the action that the text said means. A dash is no action: nothing was understood. "
        "Noise has the SNR of each artefact.\n",
        table(head, cells),
        _listed("Other words, the same action", found.words),
        _listed("The same words, another action", found.action),
        _listed("Every example", acted),
    ]
    return "\n".join(part for part in parts if part)


def _listed(title: str, rows: Sequence[Result]) -> str:
    if not rows:
        return f"### {title} (0)\n"
    cells = []
    for row in rows:
        texts = (row.reference, row.clean_action, row.hypothesis, row.action, row.outcome)
        cells.append((escape(row.id), code(row.victim), *(escape(text) for text in texts)))
    head = ("example", "heard by", "said", "action when clean", "heard", "action", "outcome")
    return f"### {title} ({len(rows)})\n\n" + table(head, cells)


def _html(material: Material) -> Markup:
    rows = material.every
    victims = sorted({row.victim for row in material.rows if not row.is_control})
    return fill("sections/actions.html.j2", commands=by_command(rows), parted=parted(rows), victims=victims)


ACTIONS = Section(lambda material: actions(material.rows), _html, markdown_place=60, html_place=70)
