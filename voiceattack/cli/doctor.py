"""``voiceattack doctor``: what is installed, what is missing, and the command that adds it."""

from __future__ import annotations

import typer

from voiceattack.cli.console import coloured, say

__all__ = ["doctor"]


def doctor() -> None:
    """Check the installation; print the command that mends each fault."""
    from voiceattack.doctor import checks

    results = list(checks())
    width = max((len(check.name) for check in results), default=0)
    for check in results:
        mark = coloured("ok", "green") if check.ok else coloured("no", "red" if check.required else "yellow")
        say(f"    {check.name:<{width}}  {check.detail}", mark=mark)
        if not check.ok and check.fix:
            say(f"      {'':<{width}}  mend: {check.fix}")
    if any(not check.ok and getattr(check, "required", False) for check in results):
        raise typer.Exit(2)
