"""The groups of a run's summary as the HTML report shows them: each attack beside its noise control, with a verdict on both."""

from __future__ import annotations

from typing import Any

from voiceattack.evaluate.summary import attack_name
from voiceattack.report.sections.base import Material

__all__ = ["audible", "groups_of"]

Group = dict[str, Any]
ENOUGH = 5
"""Clips below which a share says nothing."""


def groups_of(material: Material) -> list[Group]:
    """Each attack's group with its noise control under ``control`` and the verdict on both; the attacked victim's first."""
    groups = material.summary["groups"]
    made = []
    for group in sorted(groups, key=lambda group: (group["victim"] != group["source_victim"], group["victim"], group["attack"])):
        if group["is_control"]:
            continue
        same = ("victim", "source_victim", "objective", "target")
        alone = (
            group.get("severity") is None
            or sum(not other["is_control"] for other in groups if other["victim"] == group["victim"]) == 1
        )
        found = (other for other in groups if other["is_control"] and all(other[k] == group[k] for k in same))
        control = next(found, None) if alone else None
        made.append(
            {
                **group,
                "attack": attack_name(group),
                "control": control,
                "fooled": _fooled(group),
                "verdict": _verdict(group, control),
                "headline": _headline(group, control),
                "audible": audible(group.get("pesq_median")),
            }
        )
    return made


def audible(pesq: float | None) -> str:
    """A PESQ in words, after the degradation scale of ITU-T P.800; empty without one."""
    if pesq is None:
        return ""
    return next(word for least, word in AUDIBLE if pesq >= least)


AUDIBLE = ((4.3, "hardly audible"), (3.0, "slightly audible"), (2.0, "audible"), (0.0, "clearly audible"))


def _headline(group: Group, control: Group | None) -> str:
    """What became of the clips and of those with noise, in one sentence."""
    if not group["n_scored"]:
        return "Nothing could be scored"
    snr = group.get("snr_db_median")
    told = f"{_fooled(group)} of {group['n_scored']} clips fooled" + ("" if snr is None else f" at {snr:.0f} dB SNR")
    if control is None or not control["n_scored"]:
        return told
    return f"{told}; noise fooled {_fooled(control) or 'none'}"


def _fooled(group: Group) -> int:
    return round(float(group["success_rate"] or 0.0) * int(group["n_scored"]))


def _verdict(group: Group, control: Group | None) -> str:
    """Whether it is the attack or the loudness, in one sentence, judged by intervals that do not overlap."""
    if not group["n_scored"]:
        return "No clip could be scored: see the notes below."
    if group["n_scored"] < ENOUGH:
        return f"Too few clips ({group['n_scored']}) to tell; use at least {ENOUGH}."
    if control is None or not control["n_scored"]:
        return "No noise control was made, so the loudness alone may explain this."
    noise = f"Random noise of the same SNR fooled {_fooled(control)} of {control['n_scored']}"
    if group["success_ci95"][0] > control["success_ci95"][1]:
        return f"{noise}: it is the attack, not the loudness."
    return f"{noise}. The intervals overlap: these clips do not tell the attack from plain noise."
