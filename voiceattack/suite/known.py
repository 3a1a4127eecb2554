"""Known failures of a suite (``expected:``): taken out of the gates while they stand, told when they are gone or have expired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from voiceattack.errors import UnknownNameError
from voiceattack.runs.provenance import example_id
from voiceattack.runs.records import Result
from voiceattack.suite.gates import Gate, Judgement
from voiceattack.suite.inputs import SuiteClip
from voiceattack.suite.load import nearest
from voiceattack.suite.plan import Cell
from voiceattack.suite.samples import Sample
from voiceattack.suite.schema import ExpectedEntry, Suite

__all__ = ["Known", "State", "check_expected", "excuse_clips", "excuse_gates"]

State = Literal["expected", "fixed", "expired", "not tried"]


@dataclass(frozen=True)
class Known:
    """What became of one known failure.

    Attributes:
        entry: as the suite has it.
        state: ``expected``: it fails still, and is no failure of the run; ``fixed``: it fails no more; ``expired``: it fails
            after its last day, which fails the run; ``not tried``: this run cannot tell, since of its clips one was misheard when
            clean, or not crafted or heard, or its gate could not be judged.
        samples: the clips that fail so.
    """

    entry: ExpectedEntry
    state: State
    samples: tuple[Sample, ...] = ()

    def __str__(self) -> str:
        ticket = f", {self.entry.ticket}" if self.entry.ticket else ""
        told = f"{self.entry.subject}: {self.entry.expects} ({self.entry.reason}{ticket})"
        if self.state == "expired":
            return f"expired on {self.entry.until}: {told}; mend it, or give it another day"
        if self.state == "fixed":
            return f"fixed: {told}; take it out of 'expected'"
        if self.state == "not tried":
            return f"not tried: {told}; this run cannot tell whether it is gone"
        until = f" until {self.entry.until}" if self.entry.until else ""
        return f"{self.state}{until}: {told}"


def check_expected(suite: Suite, items: Sequence[SuiteClip], gates: Sequence[Gate]) -> None:
    """Raise :class:`~voiceattack.errors.UnknownNameError` for a known failure of a clip or gate that the suite does not have.

    Names of victims, attacks and tags are looked at by :func:`voiceattack.suite.plan.check_names`.
    """
    clips = sorted({item.name for item in items})
    sentences = [name for gate in gates for name in (gate.entry.gate, str(gate))]
    for entry in suite.expected:
        for kind, name, known in (("clip", entry.clip, clips), ("gate", entry.gate, sentences)):
            if name is not None and name not in known:
                listed = ", ".join(dict.fromkeys(known)) or "none"
                raise UnknownNameError(f"expected: names {kind} {name!r}{nearest(name, known)}; there are: {listed}")


def excuse_clips(
    suite: Suite, items: Sequence[SuiteClip], cells: Sequence[Cell], samples: Sequence[Sample], today: date
) -> tuple[list[Sample], list[Known]]:
    """The samples that gates are to judge, without clips that fail as expected; and what became of each entry on clips."""
    attacks = {cell.request.attack for cell in cells}
    found, excused = [], set[tuple[str, str, int | None, str]]()
    for entry in suite.expected:
        if entry.gate is not None:
            continue
        ids = {
            example_id(item.name, item.sha256, kind) for item in items if item.name == entry.clip for kind in ("clean", *attacks)
        }
        about = [one for one in samples if (entry.tag in one.tags if entry.tag is not None else one.clip in ids)]
        about = [one for one in about if _named(entry, one.victim, one.attack, one.entry, one.registered) and _tried(entry, one)]
        failing = [one for one in about if _fails(entry.expects, one)]
        final = [one for one in about if one.final]
        gone = bool(final) and all(_shows(entry, one) for one in final)
        state = _state(entry, bool(failing), gone, today)
        found.append(Known(entry, state, tuple(_one_a_clip(failing))))
        if state == "expected":
            excused |= {_clip_of(one) for one in failing}
    return [one for one in samples if _clip_of(one) not in excused], found


def excuse_gates(suite: Suite, judgements: Sequence[Judgement], today: date) -> tuple[list[Judgement], list[Known]]:
    """The judgements, those that fail as expected with the verdict ``expected``; and what became of each entry on gates."""
    told, found = list(judgements), []
    for entry in suite.expected:
        if entry.gate is None:
            continue
        places = [
            place
            for place, one in enumerate(told)
            if entry.gate in (one.gate.entry.gate, str(one.gate)) and _named(entry, one.victim, one.attack)
        ]
        failing = [place for place in places if told[place].verdict == entry.expects]
        gone = bool(places) and all(told[place].verdict == "passed" for place in places)
        state = _state(entry, bool(failing), gone, today)
        found.append(Known(entry, state, tuple(one for place in failing for one in told[place].figure.against)))
        for place in failing if state == "expected" else ():
            one = told[place]
            told[place] = replace(one, verdict="expected", reason=f"{one.reason}; {entry.expects} as expected: {entry.reason}")
    return told, found


def _state(entry: ExpectedEntry, fails: bool, gone: bool, today: date) -> State:
    """``gone`` is what was seen, not what was missed: that each of its clips was tried and stood, or its gate holds."""
    if not fails:
        return "fixed" if gone else "not tried"
    return "expired" if entry.until is not None and today > entry.until else "expected"


def _named(entry: ExpectedEntry, victim: str, *attacks: str) -> bool:
    return entry.victim in (None, victim) and (entry.attack is None or entry.attack in attacks)


def _tried(entry: ExpectedEntry, sample: Sample) -> bool:
    """Whether a sample is of the kind that has the outcome."""
    kinds = {"fooled": ("attack",), "misheard": ("clean",), "invented": ("no-speech",)}
    return sample.kind in kinds.get(entry.expects, ("attack", "clean", "no-speech"))


def _shows(entry: ExpectedEntry, sample: Sample) -> bool:
    """Whether a sample would have had the outcome if it were still there."""
    if entry.expects == "fooled":
        return sample.result.scored
    return entry.expects == "error" or not sample.row.failed


def _fails(expected: str, sample: Sample) -> bool:
    row = sample.row
    if expected == "error":
        return row.failed
    if isinstance(row, Result):
        return row.outcome == expected
    return bool(row.wer) if expected == "misheard" else bool(row.words or row.wake_ups)


def _clip_of(sample: Sample) -> tuple[str, str, int | None, str]:
    """What one clip is to one victim under one attack: its artefacts, their stages and controls together."""
    return sample.victim, sample.attack, sample.seed, sample.clip


def _one_a_clip(samples: Sequence[Sample]) -> list[Sample]:
    kept: dict[tuple[str, str, int | None, str], Sample] = {}
    for sample in samples:
        if sample.final or _clip_of(sample) not in kept:
            kept[_clip_of(sample)] = sample
    return list(kept.values())
