"""The commands that reports name: what makes a run again, one example of it, its evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from voiceattack.commands import command_line
from voiceattack.craft.corruptions import ALL, CorruptionsRequest
from voiceattack.craft.request import AttackRequest
from voiceattack.errors import VoiceAttackError
from voiceattack.runs.records import Result
from voiceattack.runs.run import Run
from voiceattack.victims.trust import outside

__all__ = ["evaluate_command", "make_command", "replay_command", "run_name"]

INPUT = "INPUT"
"""Stands for the inputs, which a run does not name."""


def run_name(run: Run) -> Path:
    """The run's folder without those above it: reports travel."""
    return Path(run.path.name or run.path.resolve().name)


def make_command(run: Run, rows: Sequence[Result]) -> str:
    """The command line that makes a run again; empty where its request cannot be read.

    Args:
        run: of audio.
        rows: its results, which tell what run.json leaves out because it changes no example: controls, severities.
    """
    asked = run.request
    try:
        if asked.get("attack") == ALL:
            return _corruptions(asked, rows).command(run_name(run))
        known = {name: asked[name] for name in AttackRequest.model_fields if name in asked}
        controls = not rows or any(row.is_control for row in rows)
        kept = (run.path / "original").is_dir()
        request = AttackRequest.model_validate({**known, "inputs": (INPUT,), "control": controls, "keep_format": kept})
        return request.command(run_name(run))
    except (ValidationError, VoiceAttackError):
        return ""


def _corruptions(asked: dict[str, Any], rows: Sequence[Result]) -> CorruptionsRequest:
    made = [row for row in rows if not row.is_control]
    names = list(dict.fromkeys(row.attack.partition(":")[2] for row in made))
    severities = {row.params["severity"] for row in made if "severity" in row.params}
    known = {name: asked[name] for name in CorruptionsRequest.model_fields if name in asked}
    repeats = 1 + max((row.recipe.get("repeat", 0) for row in made), default=0)
    whole = CorruptionsRequest.model_validate({**known, "inputs": (INPUT,)})
    every = {setting.name for setting in whole.settings()}
    found: dict[str, Any] = {"names": () if set(names) == every else names, "repeats": repeats}
    return CorruptionsRequest.model_validate(
        {**known, "inputs": (INPUT,), **found, **({"severities": tuple(severities)} if severities else {})}
    )


def replay_command(run: Path, row: Result) -> str:
    """The command line that crafts one example again. A victim that runs a program or sends to a server stands in it in full."""
    return command_line("replay", run, row.id, *_named(row.source_victim))


def evaluate_command(run: Run) -> str:
    """The command line that hears a run again."""
    return command_line("evaluate", run_name(run), *_named(str(run.request.get("victim") or "")))


def _named(victim: str) -> list[str]:
    """``--victim SPEC`` where the tool would ask for it: what reaches out of this process is not taken from a file."""
    try:
        return ["--victim", victim] if outside(victim) else []
    except VoiceAttackError:
        return []
