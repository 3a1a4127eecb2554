"""A run set beside the baseline, with the rules that it breaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voiceattack.compare.differences import Comparison, compare
from voiceattack.compare.rules import Broken, Rule, broken
from voiceattack.compare.snapshots import Snapshot

__all__ = ["Judged", "judge"]


@dataclass(frozen=True)
class Judged:
    """One run.

    Attributes:
        baseline, run: where the two were read.
        comparison: their differences.
        rules: those that were asked.
        failed: those of them that are broken, and by what.
    """

    baseline: Path
    run: Path
    comparison: Comparison
    rules: tuple[Rule, ...]
    failed: tuple[Broken, ...]

    @property
    def verdict(self) -> str:
        """In three words."""
        if self.failed:
            return f"{len(self.failed)} {'rule' if len(self.failed) == 1 else 'rules'} broken"
        return "no difference" if self.comparison.same else "no rule broken"


def judge(baseline: Snapshot, run: Snapshot, rules: Sequence[Rule]) -> Judged:
    """Compare and judge.

    Raises:
        RunError: the two have no example in common.
        UnknownNameError: a rule is about nothing that was compared.
    """
    comparison = compare(baseline, run)
    return Judged(baseline.path, run.path, comparison, tuple(rules), tuple(broken(comparison, rules)))
