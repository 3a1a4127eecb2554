"""``voiceattack replay``: craft one example again and compare."""

from __future__ import annotations

from typing import Annotated

import typer

from voiceattack.cli.console import DeviceOption, QuietOption, RunArgument, TrustOption, progress, say

__all__ = ["replay"]


def replay(
    run: RunArgument,
    example: Annotated[str, typer.Argument(metavar="ID", help="An id in its examples.jsonl.")],
    victim: Annotated[
        str | None, typer.Option(metavar="SPEC", help="Craft on this victim.", show_default="the one in the recipe")
    ] = None,
    trust: TrustOption = False,
    device: DeviceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Craft one example again from its recipe and compare digests: exit 0 same, 1 different."""
    from voiceattack.craft.replay import replay as craft_again
    from voiceattack.runs.run import Run
    from voiceattack.victims import load_victim
    from voiceattack.victims.trust import Trust

    opened = Run.open(run)
    loaded = None if victim is None else load_victim(victim, device)
    vouched = Trust.of([victim] if victim else [], trust)
    with progress("crafting again", quiet=quiet) as on_progress:
        result = craft_again(opened, example, loaded, trust=vouched, device=device, on_progress=on_progress)
    if result.same:
        say(f"same: {result.id} sha256 {result.got}", quiet=quiet)
    else:
        say(f"different: {result.id} sha256 {result.got}, recorded {result.expected}", quiet=quiet)
    for name, (then, now) in result.differing_versions.items():
        say(f"version differs: {name} was {then}, is {now}", quiet=quiet)
    if not result.same:
        raise typer.Exit(1)
