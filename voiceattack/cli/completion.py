"""Names that a shell completes: victims, attacks and others of the registries, which are read without importing torch."""

from __future__ import annotations

from functools import partial
from typing import Any

from voiceattack.cli.list_ import Kind, registry_of

__all__ = ["complete", "names"]

KINDS = {
    "victim": Kind.victims,
    "also": Kind.victims,
    "interpreter": Kind.victims,
    "attack_name": Kind.attacks,
    "perturbation": Kind.perturbations,
}
"""What an option takes, by the name of its value."""


def complete(param: Any) -> None:
    """Let a shell complete the value of an option that takes a registered name."""
    if (kind := KINDS.get(str(param.name))) is not None:
        param.shell_complete = partial(_items, kind)


def names(kind: Kind) -> list[tuple[str, str]]:
    """Registered names, those of families too, each with one line on what it is."""
    registry = registry_of(kind)
    found = [(entry.name, entry.summary) for entry in registry.entries()]
    for family in registry.families():
        members = registry.family(family.name)
        scheme = family.name.partition(":")[0]
        found += [(f"{scheme}:{entry.name}", entry.summary) for entry in (members.entries() if members else ())]
    return found


def _items(kind: Kind, ctx: Any, incomplete: str) -> list[Any]:
    from typer._click.shell_completion import CompletionItem

    return [CompletionItem(name, help=told) for name, told in names(kind) if name.startswith(incomplete)]
