"""Paired differences of two runs, per victim and attack."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from voiceattack.compare.snapshots import ComparedExample, Key, Snapshot
from voiceattack.errors import RunError
from voiceattack.metrics.intervals import mcnemar, paired_difference

__all__ = ["ENOUGH_PAIRS", "FIGURES", "Comparison", "Difference", "Group", "compare"]

Pair = tuple[ComparedExample, ComparedExample]
FIGURES = ("success_rate", "wer", "wer_clean", "false_transcript_rate")
"""What is compared; of each, more is worse."""
ENOUGH_PAIRS = 6
"""From this many on pairs can show a difference: if all change the same way, McNemar's exact p is below 0.05 (2 / 2**6)."""
CLASSES = ("newly_fooled", "newly_safe", "newly_misheard", "reheard", "case_only", "unheard")
"""The lists of pairs in a :class:`Group`."""


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
    """One victim and attack; the attack is empty for clean clips and those without speech.

    Attributes:
        n: how many pairs there are.
        scored: over how many a rate is: neither misheard when clean nor failed, on either side.
        newly_misheard: heard right when clean in the baseline, misheard when clean now.
        unheard: heard in the baseline, an error now.
        reheard: heard otherwise in more than capital letters and punctuation; ``case_only`` in no more.
        vanished: entries that only the baseline has.
    """

    victim: str
    attack: str
    differences: list[Difference] = field(default_factory=list)
    newly_fooled: list[Pair] = field(default_factory=list)
    newly_safe: list[Pair] = field(default_factory=list)
    newly_misheard: list[Pair] = field(default_factory=list)
    unheard: list[Pair] = field(default_factory=list)
    reheard: list[Pair] = field(default_factory=list)
    case_only: list[Pair] = field(default_factory=list)
    vanished: list[ComparedExample] = field(default_factory=list)
    n: int = 0
    scored: int = 0

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.attack or 'clean'} on {self.victim}"

    @property
    def changed(self) -> bool:
        """Whether any clip did, or vanished."""
        pairs = (self.newly_fooled, self.newly_safe, self.newly_misheard, self.unheard, self.reheard, self.vanished)
        return any(pairs) or any(one.change for one in self.differences)

    @property
    def too_few(self) -> int | None:
        """How many pairs there are to judge by, where they are too few to show a difference and do not look worse either."""
        pairs = self.scored if self.attack else self.n
        looks_worse = any(one.interval[0] > 0 for one in self.differences)
        return pairs if self.n and pairs < ENOUGH_PAIRS and not looks_worse else None


@dataclass
class Comparison:
    """All of it.

    Attributes:
        groups: those that both runs have, then those that vanished whole.
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
        return not (self.new or any(group.changed for group in self.groups))

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        groups = [
            {
                "victim": group.victim,
                "attack": group.attack or None,
                "pairs": group.n,
                "differences": [dict(vars(one)) for one in group.differences],
                **{name: [after.id for _, after in getattr(group, name)] for name in CLASSES},
                "vanished": [one.id for one in group.vanished],
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
    stale = _only(baseline, run)
    for gone in stale:
        groups.setdefault(gone.key[:2], Group(*gone.key[:2])).vanished.append(gone)
    return Comparison(list(groups.values()), _only(run, baseline), stale, notes)


def _only(one: Snapshot, other: Snapshot) -> list[ComparedExample]:
    missing: list[Key] = [key for key in one.entries if key not in other.entries]
    return [one.entries[key] for key in missing]


def _fill(group: Group, pairs: Sequence[Pair]) -> None:
    scored = [pair for pair in pairs if pair[0].scored and pair[1].scored]
    group.n, group.scored = len(pairs), len(scored)
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
    group.newly_misheard = [pair for pair in pairs if _misheard_now(*pair)]
    group.unheard = [pair for pair in pairs if pair[1].outcome == "error" and pair[0].outcome != "error"]
    told = {id(pair) for pair in (*group.newly_fooled, *group.newly_safe, *group.newly_misheard, *group.unheard)}
    for pair in pairs:
        if id(pair) not in told and (pair[0].heard, pair[0].outcome) != (pair[1].heard, pair[1].outcome):
            (group.case_only if _same_but_for_case(*pair) else group.reheard).append(pair)


def _misheard_now(before: ComparedExample, after: ComparedExample) -> bool:
    """Whether the clean clip was heard right and is not any more. Of attacks the outcome says so: an assistant may mishear a
    word and do the right thing."""
    if before.attack and after.outcome != "no_effect":
        return before.scored and after.outcome == "clean_wrong"
    return bool(before.words) and before.clean_errors == 0 and bool(after.clean_errors)


def _same_but_for_case(before: ComparedExample, after: ComparedExample) -> bool:
    return before.outcome == after.outcome and _bare(before.heard) == _bare(after.heard)


def _bare(text: str) -> list[str]:
    """The words without case and punctuation. A mark inside a word parts it: *we're* is not *were*."""
    return "".join(" " if unicodedata.category(one).startswith("P") else one for one in text.casefold()).split()


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
