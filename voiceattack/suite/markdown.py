"""The Markdown summary of a suite: the verdict, the gates, the worst examples, what to know."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Any

from voiceattack.report.console import number
from voiceattack.report.markdown_text import code, escape, table
from voiceattack.unicode_text import visible

__all__ = ["to_markdown"]

Json = dict[str, Any]
SHOWN = 5
SIGNS = {
    "passed": "✅ holds",
    "failed": "❌ failed",
    "unreliable": "⚠️ unreliable",
    "error": "🚫 error",
    "expected": "⏳ fails as expected",
}


def to_markdown(summary: Json) -> str:
    """The Markdown of a suite's ``summary.json``."""
    parts = [
        _head(summary),
        _gates(summary["gates"]),
        _expected(summary.get("expected", [])),
        _worst(summary["gates"]),
        _figures(summary),
        _cells(summary.get("cells", [])),
        _silence(summary),
        _notes(summary),
    ]
    return visible("\n".join(part for part in parts if part))


def _head(summary: Json) -> str:
    counts, gates = summary["counts"], summary["gates"]
    if summary["shard"]:
        verdict = f"shard {escape(summary['shard'])}: gates are judged after the merge"
    else:
        told = [f"{n} {name}" for name in SIGNS if (n := sum(gate["verdict"] == name for gate in gates))]
        verdict = f"**{summary['verdict']}** ({', '.join(told) or 'no gates'})"
    made = f"{counts['crafted']} artefacts crafted, {counts['reused']} from before"
    work = f"{made}, {counts['clips']} clips, {counts['seconds']:.0f} s"
    return f"# voiceattack: {escape(summary['suite'])}\n\n{verdict}; {work}.\n"


def _gates(gates: list[Json]) -> str:
    if not gates:
        return ""
    rows = [(SIGNS[one["verdict"]], escape(one["name"]), escape(one["reason"]), escape(one["decides"])) for one in gates]
    return "## Gates\n\n" + table(("verdict", "gate", "figure [95% interval]", "decides"), rows)


def _expected(known: list[Json]) -> str:
    """Known failures, and what became of them."""
    rows = []
    for one in known:
        about = next(f"{kind} {one[kind]}" for kind in ("clip", "tag", "gate") if one[kind] is not None)
        clips = ", ".join(clip["id"] for clip in one["clips"][:SHOWN]) + (", ..." if len(one["clips"]) > SHOWN else "")
        cells = (one["state"], about, one["outcome"], clips or "-", one["reason"], one["ticket"] or "-", one["until"] or "-")
        rows.append(tuple(escape(cell) for cell in cells))
    head = ("now", "known failure", "expected", "clips", "reason", "ticket", "until")
    return "## Known failures\n\n" + table(head, rows) if rows else ""


def _cells(cells: list[Json]) -> str:
    """Where each run lies, on whom it was crafted and who heard it."""
    rows = [
        (escape(one["attack"]), code(one["crafted_on"]), escape(", ".join(one["heard_by"])), str(one["seed"]), code(one["id"]))
        for one in cells
    ]
    return "## Cells\n\n" + table(("attack", "crafted on", "heard by", "seed", "cells/"), rows) if rows else ""


def _worst(gates: list[Json]) -> str:
    rows = []
    for one in gates:
        worst = one["worst"]
        if one["verdict"] in ("failed", "unreliable") and worst is not None:
            heard = f"{worst['heard']} → {worst['action']}" if "action" in worst else worst["heard"]
            heard = f"error: {worst['error']}" if "error" in worst else heard
            cells = (one["gate"], worst["id"], worst["said"], worst["heard_clean"], heard)
            rows.append((*(escape(cell) for cell in cells), number(worst["snr_db"], 1), code(worst["file"])))
    head = ("gate", "worst example", "said", "heard clean", "heard", "SNR dB", "play")
    return "## Worst examples\n\n" + table(head, rows) if rows else ""


def _figures(summary: Json) -> str:
    groups: dict[tuple[str, str], list[Json]] = {}
    for example in summary["examples"]:
        groups.setdefault((example["attack"], example["victim"]), []).append(example)
    rows = []
    for (attack, victim), members in groups.items():
        outcomes = [member["outcome"] for member in members]
        words = sum(member["words"] or 0 for member in members)
        rates = [sum(member[key] or 0 for member in members) / words if words else None for key in ("clean_errors", "errors")]
        snrs = [member["snr_db"] for member in members if member["snr_db"] is not None]
        tally = [str(outcomes.count(name)) for name in ("fooled", "held", "no_effect", "clean_wrong", "error")]
        median = number(statistics.median(snrs), 1) if snrs else "-"
        rows.append((escape(attack), code(victim), str(len(members)), *tally, *(number(rate) for rate in rates), median))
    head = ("attack", "victim", "n", "fooled", "held", "no effect", "clean wrong", "errors", "clean WER", "WER", "SNR dB")
    return "## Attacks\n\n" + table(head, rows) if rows else ""


def _silence(summary: Json) -> str:
    silent = [one for one in summary["clean"] if one["kind"] == "no-speech"]
    heard = [one for one in silent if one["words"] or one.get("wake_ups")]
    if not silent:
        return ""
    text = f"## No speech\n\n{len(heard)} of {len(silent)} clips without speech are heard as words, or wake the device.\n"
    rows = [
        (escape(one["id"]), code(one["victim"]), str(one["words"]), str(one.get("wake_ups") or 0), escape(one["hypothesis"]))
        for one in heard
    ]
    return text + ("\n" + table(("clip", "victim", "words", "wake-ups", "heard"), rows) if rows else "")


def _notes(summary: Json) -> str:
    deaf = [f"{name} heard none of the clean clips: {why}" for name, why in summary.get("silent", {}).items()]
    lines: list[str] = [*deaf, *summary["hints"], *(f"not finished: {line}" for line in summary["incomplete"])]
    lines += [f"cannot be used: {one['input']}: {one['error']}" for one in summary["unusable"]]
    if summary["stale"]:
        lines.append(f"{len(summary['stale'])} cells of earlier suites lie in this directory and were not counted (--prune)")
    lines += [f"report: {path}" for path in summary.get("reports", [])]
    return "## Notes\n\n" + _list(lines) if lines else ""


def _list(lines: Iterable[str]) -> str:
    return "".join(f"- {escape(line)}\n" for line in lines)
