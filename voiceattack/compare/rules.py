"""Rules of ``--fail-on``: when a difference is a failure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from voiceattack.compare.differences import FIGURES, Comparison, Group
from voiceattack.errors import SpecError, UnknownNameError

__all__ = ["ALWAYS", "COUNTS", "DEFAULT_RULES", "Broken", "Rule", "broken", "parse_rule", "rules_of"]

COUNTS = ("newly_fooled", "newly_misheard", "vanished")
"""Figures that are numbers of clips."""
RULE = re.compile(
    r"(?P<figure>[a-z_]+)\s+(?:worse(?:\s+by\s+more\s+than)?|\+|>)\s*(?P<tolerance>\d+(?:\.\d+)?)?(?P<percent>%?)"
    r"(?:\s+for\s+attack\s+(?P<attack>.+?))?(?:\s+for\s+victim\s+(?P<victim>.+?))?"
    r"(?:,\s+(?P<decides>interval|estimate)\s+decides)?\.?"
)
DEFAULT_RULES = tuple(f"{figure} worse, interval decides" for figure in FIGURES)
"""Worse beyond doubt: the whole interval of the difference is."""
ALWAYS = ("newly_misheard > 0", "vanished > 0")
"""What holds beside ``--fail-on`` too, unless that names the same figure: a clip that is misheard when clean, or gone, is in no
rate of success, which would stay as it was without it."""


@dataclass(frozen=True)
class Rule:
    """Fail when ``figure`` got worse by more than ``tolerance``; with ``interval``, only when its whole interval says so.

    ``share`` says that ``tolerance`` is a share of the clips and not a number of them; for counts alone.
    """

    text: str
    figure: str
    tolerance: float
    attack: str | None
    victim: str | None
    interval: bool
    share: bool = False

    def about(self, group: Group) -> bool:
        """Whether it speaks of a group."""
        return self.attack in (None, group.attack) and self.victim in (None, group.victim)

    @property
    def narrowness(self) -> int:
        """How many things it names; of the rules on one figure the narrowest holds."""
        return (self.attack is not None) + (self.victim is not None)


@dataclass(frozen=True)
class Broken:
    """A rule broken by a group, in one line."""

    rule: Rule
    group: Group
    reason: str


def parse_rule(text: str) -> Rule:
    """Read ``FIGURE worse [by more than TOLERANCE] [for attack A] [for victim V] [, interval decides]``, or ``FIGURE +0.05 ...``.

    Raises:
        SpecError: it cannot be read.
        UnknownNameError: no such figure.
    """
    found = RULE.fullmatch(text.strip())
    if found is None:
        raise SpecError(
            f"--fail-on {text!r} cannot be read; write for example: 'success_rate worse by more than 0.05 for attack pgd'"
        )
    if found["figure"] not in (*FIGURES, *COUNTS):
        raise UnknownNameError(
            f"--fail-on {text!r}: unknown figure {found['figure']!r}; there are: {', '.join((*FIGURES, *COUNTS))}"
        )
    tolerance = float(found["tolerance"] or 0) / (100 if found["percent"] else 1)
    share = found["figure"] in COUNTS and bool(found["percent"])
    return Rule(text, found["figure"], tolerance, found["attack"], found["victim"], found["decides"] == "interval", share)


def rules_of(given: Sequence[str]) -> list[Rule]:
    """The rules of ``--fail-on``, or the default ones where there are none, and :data:`ALWAYS`.

    Raises:
        SpecError: one cannot be read.
        UnknownNameError: no such figure.
    """
    told = [parse_rule(text) for text in given]
    wide = {rule.figure for rule in told if not rule.narrowness}
    return [*(told or map(parse_rule, DEFAULT_RULES)), *(rule for rule in map(parse_rule, ALWAYS) if rule.figure not in wide)]


def broken(comparison: Comparison, rules: Sequence[Rule]) -> list[Broken]:
    """Every rule that a group breaks.

    Raises:
        UnknownNameError: a rule names a victim or attack that the comparison has not: it could never fail.
    """
    for rule in rules:
        if not any(rule.about(group) for group in comparison.groups):
            names = "; ".join(group.name for group in comparison.groups)
            raise UnknownNameError(f"--fail-on {rule.text!r} is about nothing that was compared; there are: {names}")
    return [one for group in comparison.groups for one in _broken(group, rules)]


def _broken(group: Group, rules: Sequence[Rule]) -> list[Broken]:
    found = []
    about = [rule for rule in rules if rule.about(group)]
    for figure in dict.fromkeys(rule.figure for rule in about):
        same = [rule for rule in about if rule.figure == figure]
        narrowest = max(rule.narrowness for rule in same)
        for rule in same:
            if rule.narrowness == narrowest and (reason := _reason(rule, group)):
                found.append(Broken(rule, group, reason))
    return found


def _reason(rule: Rule, group: Group) -> str | None:
    if rule.figure in COUNTS:
        count, of = _count(rule.figure, group)
        allowed = rule.tolerance * of if rule.share else rule.tolerance
        return f"{count} of {of} {rule.figure.replace('_', ' ')}, {allowed:g} allowed" if count > allowed else None
    one = next((one for one in group.differences if one.figure == rule.figure), None)
    if one is None or (one.interval[0] if rule.interval else one.change) <= rule.tolerance + 1e-12:
        return None
    low, high = one.interval
    decides = "its whole interval" if rule.interval else "it"
    change = f"{one.change:+.3f} [{low:+.3f}, {high:+.3f}]"
    return f"{one.figure} {one.before:.3f} to {one.after:.3f}, {change}: {decides} exceeds {rule.tolerance:g}"


def _count(figure: str, group: Group) -> tuple[int, int]:
    """How many clips, and of how many. One that could not be heard tells as little as one that is gone."""
    if figure == "vanished":
        return len(group.vanished) + len(group.unheard), group.n + len(group.vanished)
    return len(group.newly_fooled if figure == "newly_fooled" else group.newly_misheard), group.n
