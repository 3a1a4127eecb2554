"""What ``voiceattack run`` and ``merge`` say at their end: each gate, all clips that speak against it, and what comes next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from voiceattack.cli.console import Colour, coloured, say, say_next
from voiceattack.unicode_text import visible

__all__ = ["show_gates", "show_next"]

COLOURS: dict[str, Colour] = {"passed": "green", "failed": "red", "error": "red"}
"""Of verdicts; what is neither good nor bad is yellow."""
TOLD = 100
"""Clips of a gate that are listed; summary.json has all."""


def show_gates(summary: dict[str, Any], out: Path) -> None:
    """Print the verdict of each gate and of the suite.

    Args:
        summary: of the suite's run.
        out: its run directory.
    """
    counts = summary["counts"]
    of, old = summary["earlier"]["of"], summary["earlier"]["answers"]
    heard = f"; {of - old} of {of} answers heard in this run" if of else ""
    say(f"{counts['crafted']} artefacts crafted, {counts['reused']} from before{heard}; {counts['seconds']:.1f} s")
    for gate in summary["gates"]:
        say(f" {gate['name']}: {gate['reason']}", mark=_verdict(f"{gate['verdict']:<10}"))
        if gate["verdict"] in ("failed", "unreliable"):
            _show_clips(gate, out)
    for known in summary["expected"]:
        say(f"known: {known['told']}")
    for line in [*summary["hints"], *(f"stale: {name} (--prune deletes it)" for name in summary["stale"])]:
        say(f"note: {line}")
    if summary["shard"]:
        say(f"shard {summary['shard']}: gates are judged by voiceattack merge")
    else:
        verdict = summary["verdict"]
        say("", mark=f"suite {visible(summary['suite'])}: {coloured(verdict, COLOURS.get(verdict, 'yellow'))}")


def show_next(summary: dict[str, Any], out: Path) -> None:
    """Print the command that comes next."""
    from voiceattack.compare.baseline import DEFAULT_BASELINE

    if summary["shard"]:
        return
    if summary["verdict"] != "passed":
        say_next("listen to what failed", "view", out)
    elif DEFAULT_BASELINE.is_file():
        say_next("is anything worse than before?", "compare", DEFAULT_BASELINE, out)
    else:
        say_next("keep this run as the baseline", "bless", out)


def _verdict(word: str) -> str:
    return coloured(word.upper(), COLOURS.get(word.strip(), "yellow"))


def _show_clips(gate: dict[str, Any], out: Path) -> None:
    """The clips that speak against the victim, the worst first."""
    worst = [] if gate["worst"] is None else [gate["worst"]]
    clips = [*worst, *(clip for clip in gate["clips"] if clip not in worst)]
    for place, clip in enumerate(clips[:TOLD]):
        say(f"           {'also: ' if place else 'worst:'} {_clip(clip, out)}")
    if len(clips) > TOLD:
        say(f"           and {len(clips) - TOLD} more: {out / 'summary.json'}")


def _clip(clip: dict[str, Any], out: Path) -> str:
    """One of them; one that failed left no file to play, only its reason."""
    if clip["file"] is None or "error" in clip:
        return f"{clip['id']}: {clip.get('error', 'no file')}"
    from voiceattack.suite.samples import place

    snr = "" if clip["snr_db"] is None else f", {clip['snr_db']:.1f} dB SNR"
    return f"{clip['id']}{snr}: said {clip['said']!r}, heard {str(clip['heard']).strip()!r}; play {place(clip['file'], out)}"
