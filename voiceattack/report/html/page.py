"""What the HTML report's page says, computed from a run: headline, figures, matrix, curves, table, how it was made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from voiceattack.craft.corruptions import ALL
from voiceattack.evaluate.curve import curves
from voiceattack.evaluate.summary import attack_name
from voiceattack.listening import detection, read_answers
from voiceattack.objectives import wanted
from voiceattack.report.actions import by_command, parted
from voiceattack.report.commands import make_command
from voiceattack.report.console import normalizer_of, rate_label
from voiceattack.report.corruptions import table_facts
from voiceattack.report.home import deeds
from voiceattack.report.html.chart import charts
from voiceattack.report.transfer import MOST_CLIPS, transfer_rows
from voiceattack.runs.run import Run

__all__ = ["page"]

Row = dict[str, Any]
OUTCOMES = {
    "fooled": "fooled",
    "held": "held",
    "clean_wrong": "misheard when clean",
    "no_effect": "no effect",
    "error": "error",
}


def page(run: Run, rows: Sequence[Row]) -> dict[str, Any]:
    """The template's variables. JSON-safe but for curves.

    Raises:
        RunError: no summary yet.
    """
    summary = run.summary()
    shown = [row for row in rows if row["control_for"] is None and row.get("stage_of") is None]
    noise = {(row["control_for"], row["victim"]): row for row in rows if row["control_for"] is not None}
    groups = _groups(summary["groups"])
    staged = any(row.get("stage_of") is not None for row in rows)
    found = transfer_rows(rows)
    clips = list(dict.fromkeys(name for row in found for name in row.curve.clips))
    return {
        "run": run,
        "request": run.request,
        "groups": groups,
        "lead": groups[0] if groups and run.request.get("attack") != ALL else None,
        "corruptions": table_facts(rows),
        "notes": summary["warnings"],
        "rate": rate_label(summary["groups"]),
        "goal": wanted(run.request.get("objective", "untargeted"), run.request.get("target")),
        "commands": by_command(rows),
        "parted": parted(rows),
        "transfer": found,
        "clips": clips if len(clips) <= MOST_CLIPS else [],
        "charts": charts(curves(rows)) if staged else [],
        "rows": [{**row, "noise_wer": noise.get((row["id"], row["victim"]), {}).get("wer")} for row in shown],
        "outcomes": [(name, label, sum(row["outcome"] == name for row in shown)) for name, label in OUTCOMES.items()],
        "labels": OUTCOMES,
        "victims": sorted({row["victim"] for row in shown}),
        "attacks": sorted({row["attack"] for row in shown}),
        "command": make_command(run, rows),
        "asked": _asked(run),
        "deeds": deeds(rows),
        "listening": detection(read_answers(run)),
    }


def _groups(groups: Sequence[Row]) -> list[dict[str, Any]]:
    """Each attack's group with its noise control under ``control`` and the verdict on both; the attacked victim's first."""
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
            }
        )
    return made


def _fooled(group: Row) -> int:
    return round(float(group["success_rate"] or 0.0) * int(group["n_scored"]))


def _verdict(group: Row, control: Row | None) -> str:
    """Whether it is the attack or the loudness, in one sentence, judged by intervals that do not overlap."""
    if not group["n_scored"]:
        return "No clip could be scored: see the notes below."
    if control is None or not control["n_scored"]:
        return "No noise control was made, so the loudness alone may explain this."
    noise = f"Random noise of the same SNR fooled {_fooled(control)} of {control['n_scored']}"
    if group["success_ci95"][0] > control["success_ci95"][1]:
        return f"{noise}: it is the attack, not the loudness."
    return f"{noise}. The intervals overlap: these clips do not tell the attack from plain noise."


def _asked(run: Run) -> list[tuple[str, str]]:
    info = run.info
    versions = ", ".join(f"{name} {version}" for name, version in info.get("versions", {}).items())
    facts = [
        ("Run", f"{run.id}, begun {info.get('created', '')}"),
        ("Normaliser", normalizer_of(run)),
        ("Versions", versions),
        ("Platform", str(info.get("platform", ""))),
        ("Git commit", str(info.get("git_commit") or "")),
    ]
    return [(name, value) for name, value in facts if value]
