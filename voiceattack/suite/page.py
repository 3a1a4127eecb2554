"""A suite's run as the one HTML page on which a release is decided: the verdict, each gate in a sentence, what changed."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from voiceattack.compare.html import STYLES as COMPARE_STYLES
from voiceattack.compare.html import changes_section
from voiceattack.compare.judged import Judged
from voiceattack.history.history import history_of
from voiceattack.history.html import STYLES as HISTORY_STYLES
from voiceattack.history.html import gates_section, told_section
from voiceattack.history.past import PastRun
from voiceattack.report.html.page import render_page
from voiceattack.suite.again import again
from voiceattack.suite.words import consequence, figure_text, found_sentence, gate_sentence, headline

__all__ = ["to_html"]

Json = dict[str, Any]
PLAYED = 5
"""Clips of a gate that are played; ``results.csv`` names all."""
ORDER = ("failed", "unreliable", "error", "expected", "passed")


@dataclass(frozen=True)
class Clip:
    """A clip that speaks against the victim: where to hear it (empty without a file), and how to make it again."""

    facts: Json
    sound: str
    again: str
    consequence: str | None


@dataclass(frozen=True)
class Row:
    """A gate: what it asks, what was found, the figure that the baseline or the run before had, its clips."""

    gate: Json
    asks: str
    found: str
    before: str
    clips: list[Clip]
    more: int


def to_html(
    summary: Json,
    folder: Path = Path(),
    since: Judged | None = None,
    past: Sequence[PastRun] = (),
    place: Path | None = None,
) -> str:
    """The page of a suite's ``summary.json``.

    Args:
        summary: what :func:`voiceattack.suite.record.record` gives.
        folder: the suite's run directory, in which the sounds lie that it plays.
        since: this run beside the baseline.
        past: earlier runs, the oldest first, this one last.
        place: the folder of the page; left out: ``folder``.
    """
    here = _Here(folder, folder if place is None else place, {one["name"]: one["spec"] for one in summary["victims"]})
    history = history_of(past) if len(past) > 1 else None
    gates = sorted(summary["gates"], key=lambda one: ORDER.index(one["verdict"]))
    excused = any(one["state"] == "expected" and one["gate"] is None for one in summary["expected"])
    rows = [_row(one, here, _before(one, since, past, excused)) for one in gates]
    return render_page(
        "suite.html.j2",
        styles=(*HISTORY_STYLES, *COMPARE_STYLES, "suite.css"),
        summary=summary,
        headline=headline(summary),
        verdict="SHARD" if summary["shard"] else {"passed": "PASS", "failed": "FAIL"}.get(summary["verdict"], "ERROR"),
        rows=rows,
        worst=next((one for row in rows if row.gate["verdict"] == "failed" for one in row.clips if one.consequence), None),
        known=[(one, [_clip(clip, here) for clip in one["clips"][:PLAYED]]) for one in summary["expected"]],
        attacks=_attacks(summary["examples"]),
        clean=_clean(summary["clean"]),
        since=None if since is None else changes_section(since),
        since_verdict=None if since is None else since.verdict,
        baseline=None if since is None else os.path.basename(since.baseline),
        runs=len(past),
        history=None if history is None else told_section(history) + gates_section(history),
    )


@dataclass(frozen=True)
class _Here:
    """The suite's run directory, the folder of the page, and the victims' specs by name."""

    folder: Path
    place: Path
    specs: dict[str, str]


def _row(gate: Json, here: _Here, before: str) -> Row:
    shown = [] if gate["verdict"] == "passed" else gate["clips"][:PLAYED]
    clips = [_clip(one, here) for one in shown]
    return Row(gate, gate_sentence(gate), found_sentence(gate), before, clips, len(gate["clips"]) - len(clips) if shown else 0)


def _clip(clip: Json, here: _Here) -> Clip:
    file = clip["file"]
    # In the run directory, or where the suite's own inputs lie.
    found = next((path for path in (here.folder / file, Path(file)) if path.is_file()), None) if file else None
    sound = "" if found is None else quote(Path(os.path.relpath(found, here.place)).as_posix())
    reached = clip if found is None else {**clip, "file": Path(os.path.relpath(found, here.folder)).as_posix()}
    return Clip(clip, sound, again(reached, here.specs), consequence(clip))


def _before(gate: Json, since: Judged | None, past: Sequence[PastRun], excused: bool) -> str:
    """The figure that the baseline had, where it has one of this name, else the last run's.

    A baseline knows of no known failures: where this run leaves some out (``excused``), its figure says that they are in it.
    """
    counted = ", known failures counted" if excused else ""
    for group in since.comparison.groups if since is not None else ():
        if (group.victim, group.attack) == (gate["victim"] or "", gate["attack"] or ""):
            for each in group.differences if "at" not in gate["gate"].split() else ():
                if each.figure == gate["figure"]:
                    return f"baseline {figure_text(each.figure, each.before)}{counted}"
    for run in reversed(past[:-1]):
        for one in run.gates:
            if one.name == gate["name"]:
                figure = "could not be judged" if one.value is None else figure_text(gate["figure"], one.value)
                return f"last run: {figure}"
    return ""


def _attacks(examples: Sequence[Json]) -> list[Json]:
    """One row a victim and attack."""
    groups: dict[tuple[str, str], list[Json]] = {}
    for one in examples:
        groups.setdefault((one["victim"], one["attack"]), []).append(one)
    rows = []
    for (victim, attack), members in groups.items():
        outcomes = [one["outcome"] for one in members]
        words = sum(one["words"] or 0 for one in members)
        snrs = [one["snr_db"] for one in members if one["snr_db"] is not None]
        row: Json = {"victim": victim, "attack": attack, "n": len(members)}
        row |= {name: outcomes.count(name) for name in ("fooled", "held", "no_effect", "clean_wrong", "error")}
        row["wer"] = sum(one["errors"] or 0 for one in members) / words if words else None
        row["snr_db"] = statistics.median(snrs) if snrs else None
        rows.append(row)
    return rows


def _clean(clips: Sequence[Json]) -> list[Json]:
    """One row a victim: how it hears without an attack."""
    found: dict[str, Json] = {}
    for one in clips:
        row = found.setdefault(one["victim"], dict.fromkeys(("n", "misheard", "silent", "invented", "errors"), 0))
        kind = "silent" if one["kind"] == "no-speech" else "n"
        row[kind] += 1
        row["misheard"] += kind == "n" and bool(one["wer"])
        row["invented"] += kind == "silent" and bool(one["words"] or one.get("wake_ups"))
        row["errors"] += bool(one["error"])
    return [{"victim": victim, **row} for victim, row in found.items()]
