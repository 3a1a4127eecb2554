"""Gates: sentences such as ``success_rate <= 0.20 at snr_db >= 30``, read and judged."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from voiceattack.errors import SpecError
from voiceattack.metrics import columns
from voiceattack.suite.figures import Figure, left_out
from voiceattack.suite.gate_metrics import UNTRIED, all_figures, always
from voiceattack.suite.load import nearest
from voiceattack.suite.samples import Sample
from voiceattack.suite.schema import Decides, GateEntry

__all__ = ["Bound", "Gate", "Judgement", "Verdict", "judge", "parse_gate"]

Verdict = Literal["passed", "failed", "unreliable", "error", "expected"]
MIN_CLIPS = 5
"""Fewest clips that decide a gate, unless it or the suite says otherwise; what is counted by the hour asks for none."""
PER_TIME = ("_per_minute", "_per_hour")
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}
BOUND = re.compile(r"\s*([a-z_0-9]+)\s*(<=|>=|==|!=|<|>)\s*(-?\d+(?:\.\d+)?(?:[eE]-?\d+)?)(%?)\s*")
HINT = "write for example: success_rate <= 0.20 at snr_db >= 30"


@dataclass(frozen=True)
class Bound:
    """``name sign limit``."""

    name: str
    sign: str
    limit: float

    def holds(self, value: float) -> bool:
        """Whether ``value`` keeps it."""
        return COMPARE[self.sign](value, self.limit)

    def __str__(self) -> str:
        return f"{self.name} {self.sign} {self.limit:g}"


@dataclass(frozen=True)
class Gate:
    """A gate read: the bound, the sizes at which it is asked, what decides, and whom it is about."""

    bound: Bound
    at: tuple[Bound, ...]
    decides: Decides
    entry: GateEntry
    min_clips: int = 1

    def __str__(self) -> str:
        sizes = f" at {' and '.join(map(str, self.at))}" if self.at else ""
        return f"{self.bound}{sizes}"

    def meets(self, sample: Sample) -> bool:
        """Whether an artefact has the sizes asked for."""
        if not self.at:
            return always(sample)
        # Rounding to 16 bits moves a size by a hair: an artefact crafted to 30 dB is at 30 dB.
        values = [(bound, sample.result.value(bound.name)) for bound in self.at]
        return all(
            value is not None and (bound.holds(value) or math.isclose(value, bound.limit, rel_tol=5e-4))
            for bound, value in values
        )

    @property
    def hint(self) -> str:
        """A word of warning when it asks the victim to be easier to fool."""
        kind = all_figures()[self.bound.name]
        asks_more = self.bound.sign in (">", ">=")
        if self.bound.sign in ("==", "!=") or kind.worse == "neither" or asks_more != (kind.worse == "more"):
            return ""
        if self.bound.name.endswith("snr_db_to_fool"):
            return (
                f"errors at a high SNR mean fragility, so this gate asks for a fragile victim; "
                f"a robust one keeps: max_snr_db_to_fool <= {self.bound.limit:g}"
            )
        return f"{self.bound.name} is worse the {kind.worse} it is, so this gate asks for a weak victim; is its sign turned?"


@dataclass(frozen=True)
class Judgement:
    """A gate applied to one group of samples.

    Attributes:
        gate: which.
        victim, attack: the group; empty where all were judged together or the figure knows no attack.
        verdict: over all seeds; ``unreliable`` when they differ, ``error`` when there is nothing to judge.
        figures: one a seed.
        verdicts: one a seed.
        reason: one line: what the figure is, what decided.
    """

    gate: Gate
    victim: str
    attack: str
    verdict: Verdict
    figures: tuple[Figure, ...]
    verdicts: tuple[Verdict, ...]
    reason: str

    @property
    def name(self) -> str:
        """The gate with its group, as reports show it."""
        group = ", ".join(part for part in (self.victim, self.attack, self.tag) if part)
        return f"{self.gate}{f' ({group})' if group else ''}"

    @property
    def tag(self) -> str:
        """The tag it is about, or nothing."""
        return f"tag {self.gate.entry.tag}" if self.gate.entry.tag else ""

    @property
    def figure(self) -> Figure:
        """Of the first seed whose verdict is the worst."""
        place = next((i for i, v in enumerate(self.verdicts) if v != "passed"), 0)
        return self.figures[place]


def parse_gate(entry: GateEntry, min_clips: int | None = None) -> Gate:
    """Read a sentence: ``FIGURE SIGN NUMBER [at SIZE SIGN NUMBER [and ...]] [, interval decides]``.

    Args:
        entry: the sentence and whom it is about.
        min_clips: fewest clips that may decide where the entry does not say; None is 5, or 1 for what is counted by the hour.

    Raises:
        SpecError: it cannot be read, or the figure or size is unknown.
    """
    text, decides = entry.gate, entry.decides
    if found := re.fullmatch(r"(.*?),?\s+(?:the\s+)?(interval|estimate)\s+decides\.?", text.strip()):
        text = found[1]
        decides = "interval" if found[2] == "interval" else "estimate"
    head, at, sizes = text.partition(" at ")
    bound = _bound(entry.gate, head, list(all_figures()), "figure")
    known = [metric.name for metric in columns("at")]
    conditions = tuple(_bound(entry.gate, part, known, "size") for part in sizes.split(" and ")) if at else ()
    if conditions and all_figures()[bound.name].about != "attack":
        raise SpecError(f"gate {entry.gate!r}: {bound.name} is not about artefacts, so it takes no 'at'")
    if conditions and bound.name.endswith("snr_db_to_fool"):
        raise SpecError(f"gate {entry.gate!r}: {bound.name} is an SNR itself, so it takes no 'at'")
    least = entry.min_clips or min_clips or (1 if bound.name.endswith(PER_TIME) else MIN_CLIPS)
    return Gate(bound, conditions, decides, entry, least)


def _bound(gate: str, text: str, known: Sequence[str], kind: str) -> Bound:
    found = BOUND.fullmatch(text)
    if found is None:
        raise SpecError(f"gate {gate!r}: {text.strip()!r} is no comparison; {HINT}")
    name, sign, number, percent = found.groups()
    if name not in known:
        raise SpecError(f"gate {gate!r}: unknown {kind} {name!r}{nearest(name, known)}; there are: {', '.join(known)}")
    return Bound(name, sign, float(number) / (100 if percent else 1))


def judge(
    gate: Gate,
    samples: Sequence[Sample],
    seeds: Sequence[int],
    incomplete: Sequence[str] = (),
    silent: Mapping[str, str] | None = None,
) -> list[Judgement]:
    """Apply a gate to each group that it is about.

    Args:
        gate: which.
        samples: everything heard.
        seeds: the repetitions.
        incomplete: what was not finished and would belong to it; then there is no verdict.
        silent: victims that heard nothing, with the reason: what it says of their artefacts is an error.
    """
    entry, about = gate.entry, all_figures()[gate.bound.name].about
    chosen = [s for s in samples if entry.victim in (None, s.victim) and (entry.tag is None or entry.tag in s.tags)]
    if entry.attack is not None:
        chosen = [s for s in chosen if not s.attack or entry.attack in (s.attack, s.entry, s.registered)]
    if about == "attack":
        chosen = [s for s in chosen if s.attack]
    else:
        chosen = [s for s in chosen if s.kind in (about, "attack")] if gate.bound.name == "repetition_loop_rate" else chosen
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in chosen:
        attack = sample.attack if about == "attack" and "attack" in entry.per else ""
        groups.setdefault((sample.victim if "victim" in entry.per else "", attack), []).append(sample)
    if about == "attack":
        unheard = [name for name in silent or {} if entry.victim in (None, name)]
        deaf = [_deaf(gate, name, (silent or {})[name]) for name in unheard]
        if deaf and not groups:
            return deaf
    else:
        deaf = []
    if not groups:
        return [_judged(gate, "", "", [Figure(None, None, note="nothing was heard that it is about")], incomplete)]
    found = []
    for (victim, attack), members in groups.items():
        rounds = [[s for s in members if s.seed in (None, seed)] for seed in seeds]
        figures = [_with_failed(gate, one, all_figures()[gate.bound.name].compute(one, gate.meets)) for one in rounds]
        found.append(_judged(gate, victim, attack, figures, incomplete))
    # An attack that made nothing of the sizes asked for says nothing about them, as long as another did.
    tried = {one.victim for one in found if any(not figure.note.startswith(UNTRIED) for figure in one.figures)}
    found = [
        one for one in found if one.victim not in tried or any(not figure.note.startswith(UNTRIED) for figure in one.figures)
    ]
    return [*found, *deaf]


def _with_failed(gate: Gate, samples: Sequence[Sample], figure: Figure) -> Figure:
    """A figure with a word on the clips of which nothing is known; ``error_rate`` counts them itself."""
    if gate.bound.name == "error_rate":
        return figure
    about = all_figures()[gate.bound.name].about
    failed = {(s.victim, s.attack, s.clip, s.seed) for s in samples if s.kind == about and s.final and s.row.failed}
    why = "which could not be crafted or heard" if about == "attack" else "which could not be heard"
    return replace(figure, note="; ".join(filter(None, [figure.note, left_out(len(failed), why)])))


def _deaf(gate: Gate, victim: str, reason: str) -> Judgement:
    """The gate on a victim for which nothing was crafted."""
    told = f"it heard none of the clean clips, so nothing was crafted: {reason}"
    return Judgement(gate, victim, gate.entry.attack or "", "error", (Figure(None, None, note=told),), ("error",), told)


def _judged(gate: Gate, victim: str, attack: str, figures: Sequence[Figure], incomplete: Sequence[str]) -> Judgement:
    told = [_verdict(gate, figure) for figure in figures]
    verdicts: tuple[Verdict, ...] = tuple(verdict for verdict, _ in told)
    reasons = [reason for _, reason in told]
    if incomplete:
        reason = f"not all was done: {incomplete[0]}"
        error: Verdict = "error"
        return Judgement(gate, victim, attack, error, tuple(figures), tuple(error for _ in figures), reason)
    if len(set(verdicts)) > 1 and "error" not in verdicts:
        values = [figure.value for figure in figures if figure.value is not None]
        reason = f"{verdicts.count('passed')} of {len(verdicts)} seeds hold it; {_spread(gate.bound.name, values)}"
        return Judgement(gate, victim, attack, "unreliable", tuple(figures), verdicts, reason)
    place = verdicts.index("error") if "error" in verdicts else 0
    reason = reasons[place]
    values = [figure.value for figure in figures if figure.value is not None]
    if values and (without := len(figures) - len(values)):
        reason = f"{without} of {len(figures)} seeds had nothing to score ({reason})"
        reason += f"; the other: {gate.bound.name} {shown(values[0])}" if len(values) == 1 else ""
    if len(values) > 1:
        reason += f"; over {len(values)} seeds {_spread(gate.bound.name, values)}"
    return Judgement(gate, victim, attack, verdicts[place], tuple(figures), verdicts, reason)


def _spread(name: str, values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    mean = sum(values) / len(values)
    return f"{name} {shown(low)} to {shown(high)}" + (f", mean {shown(mean)}" if math.isfinite(mean) else "")


def _verdict(gate: Gate, figure: Figure) -> tuple[Verdict, str]:
    if figure.value is None:
        return "error", figure.note
    interval = "" if figure.interval is None else f" [{shown(figure.interval[0])}, {shown(figure.interval[1])}]"
    told = f"{gate.bound.name} is {shown(figure.value)}{interval} over {figure.n} clip{'s' * (figure.n != 1)}"
    told += f", {figure.different} of them different" if figure.different < min(figure.n, gate.min_clips) else ""
    told += f" ({figure.note})" if figure.note else ""
    if figure.different < gate.min_clips:
        return "error", f"too few clips to judge: {figure.different}, at least {gate.min_clips} are needed (min_clips); {told}"
    if gate.decides == "estimate":
        return ("passed" if gate.bound.holds(figure.value) else "failed"), told
    if figure.interval is None:
        return "error", f"{told}: it has no interval, and the interval is to decide"
    holds = all(gate.bound.holds(end) for end in figure.interval)
    if not holds and gate.bound.holds(figure.value):
        told += "; the figure holds, but not its whole interval, which decides"
    return ("passed" if holds else "failed"), told


def shown(value: float) -> str:
    """A figure for people."""
    if value == -math.inf:
        return "never"
    return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) < 10 else f"{value:.1f}"
