"""The commands that make an example of a suite again, or hear a clip again, typed in the suite's run directory."""

from __future__ import annotations

import re
from typing import Any

from voiceattack.commands import command_line

__all__ = ["again"]

Json = dict[str, Any]
IN_CELL = re.compile(r"cells/([^/]+)/")


def again(clip: Json, specs: dict[str, str]) -> str:
    """The command for a clip of ``summary.json`` (one of a gate's ``clips``); empty where no file is left of it.

    Args:
        clip: the clip.
        specs: of the victims, by name.
    """
    file = clip["file"]
    if file is None:
        return ""
    if (found := IN_CELL.match(file)) is not None:
        return command_line("replay", f"cells/{found[1]}", clip["id"])
    victim = str(clip["victim"])
    return command_line("transcribe", str(file), "--victim", specs.get(victim, victim))
