"""A comparison as JUnit XML: a test suite a run, a case each victim, attack and rule that was asked of it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from voiceattack.compare.differences import Group
from voiceattack.compare.judged import Judged
from voiceattack.compare.rules import COUNTS
from voiceattack.compare.text import clip_changes, few_pairs, told
from voiceattack.report.junit import add_properties, add_result, add_suite, document, make_case, new_document

__all__ = ["to_junit"]

LISTED = 100
"""Clips in the text of a failure; the JSON has all."""


def to_junit(found: Sequence[Judged]) -> str:
    """A broken rule is a ``failure`` that names the clips; a figure of too few pairs is ``skipped`` with the reason."""
    root = new_document("voiceattack compare")
    for one in found:
        facts = {"baseline": str(one.baseline), "run": str(one.run), "verdict": one.verdict}
        facts |= {f"note {place}": note for place, note in enumerate(one.comparison.notes, 1)}
        add_suite(root, f"{one.run} against {one.baseline}", list(_cases(one)), facts)
    return document(root)


def _cases(one: Judged) -> list[ET.Element]:
    return [_case(one, group, figure) for group in one.comparison.groups for figure in _figures(one, group)]


def _figures(one: Judged, group: Group) -> list[str]:
    """Those that a rule asks of a group and that it has."""
    asked = dict.fromkeys(rule.figure for rule in one.rules if rule.about(group))
    known = {each.figure for each in group.differences} | set(COUNTS) | ({"success_rate"} if group.attack and group.n else set())
    return [figure for figure in asked if figure in known]


def _case(one: Judged, group: Group, figure: str) -> ET.Element:
    case = make_case(f"compare.{figure}", f"{figure}: {group.name}")
    difference = next((each for each in group.differences if each.figure == figure), None)
    if difference is not None:
        low, high = difference.interval
        add_properties(
            case,
            {
                **{"pairs": difference.n, "before": difference.before, "after": difference.after, "change": difference.change},
                **{"interval_low": low, "interval_high": high, "p": difference.p},
            },
        )
    failed = [each for each in one.failed if each.group is group and each.rule.figure == figure]
    if failed:
        message = "; ".join(f"{each.reason} (rule: {each.rule.text})" for each in failed)
        lines = [told(each) for each in clip_changes(group)]
        more = [f"and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
        add_result(case, "failure", message, "rule", "\n".join([*lines[:LISTED], *more]))
    elif group.too_few is not None and figure not in COUNTS:
        add_result(case, "skipped", few_pairs(group.too_few))
    return case
