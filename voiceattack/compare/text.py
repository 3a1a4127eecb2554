"""A comparison as lines for a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from voiceattack.compare.differences import ENOUGH_PAIRS, Comparison, Difference, Group
from voiceattack.compare.judged import Judged
from voiceattack.compare.snapshots import ComparedExample
from voiceattack.report.markdown_text import code, escape, table

__all__ = [
    "ClipChange",
    "FigureRow",
    "changes",
    "clip_changes",
    "differences",
    "few_pairs",
    "figure_rows",
    "to_markdown",
    "told",
]


@dataclass(frozen=True)
class ClipChange:
    """A clip that is otherwise than it was.

    Attributes:
        kind: ``newly fooled``, ``newly safe``, ``newly misheard``, ``vanished`` or ``heard otherwise``.
        group: its victim and attack.
        entry: the clip as it is now, or as it was where it is gone.
        before, after: outcome and transcript; empty after it is gone.
    """

    kind: str
    group: Group
    entry: ComparedExample
    before: str
    after: str

    @property
    def name(self) -> str:
        """The clip for people."""
        return _name(self.entry, self.group)


@dataclass(frozen=True)
class FigureRow:
    """A figure of a group in the baseline and in each of several runs; empty cells where a run has none."""

    name: str
    figure: str
    before: str
    after: tuple[str, ...]


def clip_changes(group: Group) -> Iterator[ClipChange]:
    """Every example of a group that changed or vanished, the weightiest first."""
    kinds = (
        ("newly misheard", group.newly_misheard),
        ("newly fooled", group.newly_fooled),
        ("vanished", group.unheard),
        ("newly safe", group.newly_safe),
        ("heard otherwise", group.reheard),
    )
    for kind, pairs in kinds:
        for before, after in pairs:
            yield ClipChange(kind, group, after, _heard(before), _heard(after))
    yield from (ClipChange("vanished", group, entry, _heard(entry), "") for entry in group.vanished)


def told(one: ClipChange) -> str:
    """A change on one line."""
    return f"{one.kind}: {one.name}: {one.before}{f' -> {one.after}' if one.after else ''}"


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
    """Every example that changed, appeared or vanished, one line each."""
    for group in comparison.groups:
        yield from map(told, clip_changes(group))
        if group.case_only:
            yield f"heard otherwise in capital letters, punctuation or spaces alone: {len(group.case_only)} of {group.name}"
    yield from (f"new: {_name(entry)}: {_heard(entry)}" for entry in comparison.new)


def figure_rows(found: Sequence[Judged]) -> list[FigureRow]:
    """What the baseline and each run has of every figure, over the clips that the run shares with it."""
    cells: dict[tuple[str, str], dict[int, Difference]] = {}
    for place, one in enumerate(found):
        for group in one.comparison.groups:
            for each in group.differences:
                cells.setdefault((group.name, each.figure), {})[place] = each
    rows = []
    for (name, figure), known in cells.items():
        before = " / ".join(dict.fromkeys(f"{each.before:.3f}" for each in known.values()))
        after = (
            f"{known[place].after:.3f} ({known[place].change:+.3f})" if place in known else "" for place in range(len(found))
        )
        rows.append(FigureRow(name, figure, before, tuple(after)))
    return rows


def to_markdown(found: Sequence[Judged]) -> str:
    """The whole for a step summary: one run, or several, after what is known of all of them side by side."""
    parts = ["# voiceattack compare\n"]
    if len(found) > 1:
        head = ("of", "figure", "baseline", *(code(one.run) for one in found))
        rows = [(escape(row.name), row.figure, row.before, *map(escape, row.after)) for row in figure_rows(found)]
        parts.append(table(head, rows))
    for one in found:
        parts += [f"## {code(one.run)}\n"] if len(found) > 1 else []
        parts += _parts(one)
    return "\n".join(parts)


def _parts(one: Judged) -> Iterator[str]:
    yield f"**{'❌' if one.failed else '✅'} {one.verdict}**\n"
    comparison = one.comparison
    if one.failed:
        broken = [(escape(each.rule.text), escape(each.group.name), escape(each.reason)) for each in one.failed]
        yield table(("rule", "of", "why"), broken)
    figures = [(escape(group.name), each.figure, *_cells(each)) for group in comparison.groups for each in group.differences]
    yield table(("of", "figure", "n", "before", "after", "change [95%]", "McNemar p"), figures)
    few = [f"{group.name}: {few_pairs(group.too_few)}" for group in comparison.groups if group.too_few is not None]
    if lines := [*comparison.notes, *few, *changes(comparison)]:
        yield "".join(f"- {escape(line)}\n" for line in lines)


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
