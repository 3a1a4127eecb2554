"""Paired differences of two runs, per victim and attack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from voiceattack.compare.snapshots import ComparedExample, Key, Snapshot
from voiceattack.errors import RunError
from voiceattack.metrics.intervals import mcnemar, paired_difference

__all__ = ["FIGURES", "Comparison", "Difference", "Group", "compare"]

Pair = tuple[ComparedExample, ComparedExample]
FIGURES = ("success_rate", "wer", "wer_clean", "false_transcript_rate")
"""What is compared; of each, more is worse."""


@dataclass(frozen=True)
class Difference:
    """A figure before and after over the clips that both runs have, and the change with its 95% interval.

    ``p`` is McNemar's for rates of success, None for error rates.
    """

    figure: str
    n: int
    before: float
    after: float
    change: float
    interval: tuple[float, float]
    p: float | None = None


@dataclass
class Group:
    """One victim and attack; the attack is empty for clean clips and those without speech."""

    victim: str
    attack: str
    differences: list[Difference] = field(default_factory=list)
    newly_fooled: list[Pair] = field(default_factory=list)
    newly_safe: list[Pair] = field(default_factory=list)
    reheard: list[Pair] = field(default_factory=list)

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.attack or 'clean'} on {self.victim}"


@dataclass
class Comparison:
    """All of it.

    Attributes:
        groups: those that both runs have.
        new: entries that only the run has.
        stale: entries that only the baseline has.
        notes: what to know: other versions, another machine, victims paired though their names differ.
    """

    groups: list[Group]
    new: list[ComparedExample]
    stale: list[ComparedExample]
    notes: list[str]

    @property
    def same(self) -> bool:
        """Whether nothing differs but the notes."""
        changed = any(group.reheard or group.newly_fooled or group.newly_safe for group in self.groups)
        return not (changed or self.new or self.stale) and all(d.change == 0 for group in self.groups for d in group.differences)

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        groups = [
            {
                "victim": group.victim,
                "attack": group.attack or None,
                "differences": [dict(vars(one)) for one in group.differences],
                **{name: [after.id for _, after in getattr(group, name)] for name in ("newly_fooled", "newly_safe", "reheard")},
            }
            for group in self.groups
        ]
        new, stale = ([list(entry.key) for entry in side] for side in (self.new, self.stale))
        return {"groups": groups, "new": new, "stale": stale, "notes": self.notes}


def compare(baseline: Snapshot, run: Snapshot) -> Comparison:
    """Pair the examples of two runs.

    When each has one victim of its own name, they are taken for one another (another build of a system), and a note says so.

    Raises:
        RunError: the two have no example in common.
    """
    notes = _other_machines(baseline, run)
    if baseline.victims != run.victims and len(baseline.victims) == len(run.victims) == 1:
        notes.append(f"victim {baseline.victims[0]} of the baseline is compared with {run.victims[0]} of the run")
        baseline = baseline.renamed(run.victims[0])
    shared = [key for key in run.entries if key in baseline.entries]
    if not shared:
        raise RunError(
            f"{run.path} and {baseline.path} have no example in common: other victims, attacks or clips; compare alike runs"
        )
    groups: dict[tuple[str, str], Group] = {}
    for key in shared:
        groups.setdefault(key[:2], Group(*key[:2]))
    for (victim, attack), group in groups.items():
        _fill(group, [(baseline.entries[key], run.entries[key]) for key in shared if key[:2] == (victim, attack)])
    return Comparison(list(groups.values()), _only(run, baseline), _only(baseline, run), notes)


def _only(one: Snapshot, other: Snapshot) -> list[ComparedExample]:
    missing: list[Key] = [key for key in one.entries if key not in other.entries]
    return [one.entries[key] for key in missing]


def _fill(group: Group, pairs: Sequence[Pair]) -> None:
    scored = [pair for pair in pairs if pair[0].scored and pair[1].scored]
    rate = "success_rate" if group.attack else "false_transcript_rate"
    change = _difference(rate, scored, lambda entry: int(entry.success), lambda entry: 1)
    group.newly_fooled = [pair for pair in scored if pair[1].success and not pair[0].success]
    group.newly_safe = [pair for pair in scored if pair[0].success and not pair[1].success]
    if change is not None:
        p = mcnemar(len(group.newly_safe), len(group.newly_fooled))
        group.differences.append(Difference(**{**vars(change), "p": p}))
    counts: dict[str, Callable[[ComparedExample], int | None]] = {
        "wer": lambda one: one.errors,
        "wer_clean": lambda one: one.clean_errors,
    }
    for figure, count in counts.items():
        known = [pair for pair in pairs if all(count(entry) is not None and entry.words for entry in pair)]
        if (found := _difference(figure, known, count, lambda entry: entry.words)) is not None:
            group.differences.append(found)
    told = {id(pair) for pair in (*group.newly_fooled, *group.newly_safe)}
    group.reheard = [pair for pair in pairs if id(pair) not in told and _differs(pair)]


def _differs(pair: Pair) -> bool:
    before, after = pair
    return (before.heard, before.outcome) != (after.heard, after.outcome)


def _difference(
    figure: str, pairs: Sequence[Pair], count: Callable[[ComparedExample], Any], weight: Callable[[ComparedExample], Any]
) -> Difference | None:
    before, after = [count(pair[0]) for pair in pairs], [count(pair[1]) for pair in pairs]
    weights = [weight(pair[1]) for pair in pairs]
    found = paired_difference(before, after, weights)
    if found is None:
        return None
    total = sum(weights)
    return Difference(figure, len(pairs), sum(before) / total, sum(after) / total, *found)


def _other_machines(baseline: Snapshot, run: Snapshot) -> list[str]:
    before, after = baseline.made_with, run.made_with
    old, new = before.get("versions") or {}, after.get("versions") or {}
    other = [
        f"{name} {old.get(name, 'none')} then, {new.get(name, 'none')} now"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    notes = [f"other versions: {', '.join(other)}"] if other else []
    if before.get("normalizer") != after.get("normalizer"):
        notes.append(
            f"another normaliser: {before.get('normalizer')} then, {after.get('normalizer')} now; error rates may differ though "
            "nothing is heard otherwise: evaluate the older run again"
        )
    if before.get("platform") != after.get("platform"):
        notes.append(f"another machine: {before.get('platform')} then, {after.get('platform')} now")
    return notes
