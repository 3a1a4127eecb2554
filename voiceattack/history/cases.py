"""Cases over many runs: those whose verdict changes though nothing else did, and those that came and went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voiceattack.history.changes import Change
from voiceattack.history.past import CaseKey, PastKnown, PastRun

__all__ = ["Flaky", "KnownFailure", "flaky_cases", "gone_cases", "known_failures", "new_cases"]


@dataclass(frozen=True)
class Flaky:
    """A case whose verdict changed between two runs of the same inputs: the clip, the attack and the victim's fingerprint.

    Attributes:
        key: which case.
        changed: places of the runs, from 0, in which the verdict is another than in the run before with the same inputs.
        verdicts: how often there was each, the most frequent first.
    """

    key: CaseKey
    changed: tuple[int, ...]
    verdicts: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class KnownFailure:
    """A known failure (``expected:`` of the suite) in the last run.

    Attributes:
        known: it, with its state in the last run.
        since: place, from 0, of the first run of those in a row up to the last that know of it.
    """

    known: PastKnown
    since: int


def known_failures(runs: Sequence[PastRun]) -> list[KnownFailure]:
    """Those of the last run, as its suite lists them."""
    found = []
    for one in runs[-1].known:
        since = len(runs) - 1
        while since and any(other.subject == one.subject for other in runs[since - 1].known):
            since -= 1
        found.append(KnownFailure(one, since))
    return found


def flaky_cases(runs: Sequence[PastRun], named: Sequence[Change]) -> list[Flaky]:
    """Those that are, the most changeable first.

    A case that changed only where a change of its victim's gates is named is explained by that: what stands behind a server may
    change without its fingerprint.
    """
    seen: dict[CaseKey, dict[str, str]] = {}
    changed: dict[CaseKey, list[int]] = {}
    verdicts: dict[CaseKey, dict[str, int]] = {}
    for place, run in enumerate(runs):
        for key, case in run.cases.items():
            tally = verdicts.setdefault(key, {})
            tally[case.verdict] = tally.get(case.verdict, 0) + 1
            if case.inputs is None:
                continue
            before = seen.setdefault(key, {})
            if before.get(case.inputs, case.verdict) != case.verdict:
                changed.setdefault(key, []).append(place)
            before[case.inputs] = case.verdict
    explained = {(change.series.victim, change.run) for change in named}
    found = [
        Flaky(key, tuple(places), tuple(sorted(verdicts[key].items(), key=lambda one: -one[1])))
        for key, places in changed.items()
        if not all((key[0], place) in explained or ("", place) in explained for place in places)
    ]
    return sorted(found, key=lambda one: (-len(one.changed), one.key))


def new_cases(runs: Sequence[PastRun]) -> list[CaseKey]:
    """Those that the last run has and the one before it has not; none where there is no run before."""
    return sorted(runs[-1].cases.keys() - runs[-2].cases.keys()) if len(runs) > 1 else []


def gone_cases(runs: Sequence[PastRun]) -> list[CaseKey]:
    """Those that the last run has not and the one before it has."""
    return sorted(runs[-2].cases.keys() - runs[-1].cases.keys()) if len(runs) > 1 else []
