"""What a running assistant's home did: each clip or sentence with its states before and after; the Markdown section of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from voiceattack.report.console import number
from voiceattack.report.markdown_text import escape, table
from voiceattack.report.sections.base import Material, Section
from voiceattack.report.templates import fill
from voiceattack.runs.records import AnyResult, Result, TextResult

__all__ = ["HOME", "Deed", "deeds", "home_did", "home_lines", "home_section"]

Line = tuple[str, ...]
HEAD = ("example", "what", "SNR dB", "said or typed", "taken for", "answer", "states: before → after", "outcome")


@dataclass(frozen=True)
class Deed:
    """One clip or sentence given to a home.

    Attributes:
        row: its line of results.jsonl.
        made: ``clean``, the attack or perturbation, or ``equal-SNR noise``.
        snr_db: None for what is clean or no sound.
        said, heard, answer: what was said or typed, what it was taken for, and the assistant's answer.
        changes: ``entity: before → after``, one a state changed.
        outcome: None for what is clean.
    """

    row: AnyResult
    made: str
    snr_db: float | None
    said: str
    heard: str
    answer: str
    changes: tuple[str, ...]
    outcome: str | None


def deeds(rows: Iterable[AnyResult]) -> list[Deed]:
    """Of the rows, of audio or of texts, whose victim saw a home; the clean one before each that is no control."""
    found = []
    for row in rows:
        if row.evidence is None:
            continue
        if not row.is_control:
            found.append(Deed(row, "clean", None, *_said(row, clean=True), None))
        found.append(Deed(row, _made(row), row.value("snr_db"), *_said(row, clean=False), row.outcome))
    return found


def _made(row: AnyResult) -> str:
    if isinstance(row, TextResult):
        return row.perturbation
    return "equal-SNR noise" if row.is_control or not isinstance(row, Result) else row.attack


def home_did(rows: Iterable[AnyResult]) -> str:
    """The Markdown section of results, controls too; empty where no victim saw a home."""
    return home_section(home_lines(rows))


def home_lines(rows: Iterable[AnyResult], link: Callable[[str, str | None], str] | None = None) -> list[Line]:
    """The lines of the section's table.

    Args:
        rows: results, controls too.
        link: the Markdown of an example's name, given its id and the path of its audio in the run, None without any.
    """
    lines: list[Line] = []
    for deed in deeds(rows):
        row, clean = deed.row, deed.outcome is None
        name = escape(row.id) if link is None else link(row.id, row.clean_audio if clean else row.audio)
        size = "" if clean else number(deed.snr_db, 1)
        told = "; ".join(map(escape, deed.changes)) or "-"
        taken = escape(deed.heard) or "-"
        lines.append((name, escape(deed.made), size, escape(deed.said), taken, escape(deed.answer), told, escape(deed.outcome)))
    return lines


def home_section(lines: Sequence[Line]) -> str:
    """The Markdown section of these lines; empty without any."""
    if not lines:
        return ""
    text = (
        "Each was judged alone: states were read before it and after it, and what changed was put back. A dash is no change.\n"
        "`⟨U+200B⟩` marks a character that a reader does not see.\n"
    )
    return f"\n## What the home did\n\n{text}\n" + table(HEAD, lines)


def _said(row: AnyResult, *, clean: bool) -> tuple[str, str, str, tuple[str, ...]]:
    """Said or typed, taken for, answered, changed."""
    seen = (row.clean_evidence if clean else row.evidence) or {}
    said, heard = None, None
    if isinstance(row, TextResult):
        said, heard = (row.text, row.clean_heard) if clean else (row.perturbed, row.heard)
    elif isinstance(row, Result):
        said, heard = row.reference, row.clean_hypothesis if clean else row.hypothesis
    changes = tuple(f"{line['entity']}: {line['before']} → {line['after']}" for line in seen.get("changes", []))
    return said or "", heard or "", seen.get("answer") or "", changes


def _html(material: Material) -> Markup:
    return Markup("\n") + fill("home.html.j2", deeds=deeds(material.every))


HOME = Section(lambda material: home_did(material.rows), _html, markdown_place=70, html_place=80)
