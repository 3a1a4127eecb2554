"""A comparison as lines for a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from voiceattack.compare.differences import ENOUGH_PAIRS, Comparison, Difference, Group
from voiceattack.compare.rules import Broken
from voiceattack.compare.snapshots import ComparedExample
from voiceattack.report.markdown_text import escape, table

__all__ = ["changes", "differences", "few_pairs", "to_markdown"]


def differences(comparison: Comparison) -> Iterator[str]:
    """One line a victim, attack and figure."""
    for group in comparison.groups:
        for one in group.differences:
            yield f"{group.name}: {_told(one)}"
        if group.too_few is not None:
            yield f"{group.name}: {few_pairs(group.too_few)}"


def few_pairs(n: int) -> str:
    """What so few pairs cannot do."""
    return f"{n} {'pair' if n == 1 else 'pairs'} cannot show a difference; {ENOUGH_PAIRS} can, if all change alike"


def changes(comparison: Comparison) -> Iterator[str]:
    """Every example that changed, appeared or is stale, one line each."""
    for group in comparison.groups:
        for title, pairs in (
            ("newly fooled", group.newly_fooled),
            ("newly safe", group.newly_safe),
            ("newly misheard", group.newly_misheard),
            ("vanished", group.unheard),
            ("heard otherwise", group.reheard),
        ):
            for before, after in pairs:
                yield f"{title}: {_name(after, group)}: {_heard(before)} -> {_heard(after)}"
        if group.case_only:
            yield f"heard otherwise in capital letters or spaces alone: {len(group.case_only)} of {group.name}"
    yield from (f"new: {_name(entry)}: {_heard(entry)}" for entry in comparison.new)
    yield from (f"vanished: {_name(entry)}: {_heard(entry)}" for entry in comparison.stale)


def to_markdown(comparison: Comparison, failed: Sequence[Broken]) -> str:
    """The whole for a step summary."""
    verdict = f"❌ {len(failed)} rules broken" if failed else "✅ no difference" if comparison.same else "✅ no rule broken"
    parts = [f"# voiceattack compare\n\n**{verdict}**\n"]
    if failed:
        rows = [(escape(one.rule.text), escape(one.group.name), escape(one.reason)) for one in failed]
        parts.append(table(("rule", "of", "why"), rows))
    figures = [(escape(group.name), one.figure, *_cells(one)) for group in comparison.groups for one in group.differences]
    parts.append(table(("of", "figure", "n", "before", "after", "change [95%]", "McNemar p"), figures))
    few = [f"{group.name}: {few_pairs(group.too_few)}" for group in comparison.groups if group.too_few is not None]
    lines = [*comparison.notes, *few, *changes(comparison)]
    parts += ["".join(f"- {escape(line)}\n" for line in lines)] if lines else []
    return "\n".join(parts)


def _told(one: Difference) -> str:
    n, before, after, change, p = _cells(one)
    return f"{one.figure} {before} -> {after}, {change} over {n} pairs" + (f", McNemar p = {p}" if p else "")


def _cells(one: Difference) -> tuple[str, str, str, str, str]:
    low, high = one.interval
    change = f"{one.change:+.3f} [{low:+.3f}, {high:+.3f}]"
    return str(one.n), f"{one.before:.3f}", f"{one.after:.3f}", change, "" if one.p is None else f"{one.p:.3g}"


def _name(entry: ComparedExample, group: Group | None = None) -> str:
    seed = "" if entry.seed in (None, "0") else f" seed {entry.seed}"
    return f"{entry.id}{seed} ({(group.name if group else f'{entry.attack or entry.outcome} on {entry.victim}')})"


def _heard(entry: ComparedExample) -> str:
    return f"{entry.outcome} {' '.join(entry.heard.split())!r}"
