"""Names that a shell completes: victims, attacks and others of the registries, which are read without importing torch."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from voiceattack.cli.list_ import Kind, registry_of

__all__ = ["complete", "join_bash_words", "names"]

KINDS = {
    "victim": Kind.victims,
    "also": Kind.victims,
    "interpreter": Kind.victims,
    "attack_name": Kind.attacks,
    "perturbation": Kind.perturbations,
}
"""What an option takes, by the name of its value."""
BREAKS = (":", "=")
"""Where bash cuts a word in two."""
SPLIT = "VOICEATTACK_COMPLETE_AFTER"
"""In the environment: the part of the last word that bash has cut off, and takes no part of what completes it."""


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

    before = os.environ.get(SPLIT, "")
    return [CompletionItem(name.removeprefix(before), help=told) for name, told in names(kind) if name.startswith(incomplete)]


def join_bash_words() -> None:
    """Make one word again of what bash cut at a colon, ``corruption:gsm`` into three, where bash asks for a completion."""
    words = os.environ.get("COMP_WORDS", "").split("\n")
    if os.environ.get("_VOICEATTACK_COMPLETE") != "complete_bash" or not os.environ.get("COMP_CWORD", "").isdigit():
        return
    typed = words[: int(os.environ["COMP_CWORD"]) + 1]
    if not set(BREAKS) & set(typed):
        return
    joined: list[str] = []
    for word in typed:
        if joined and (word in BREAKS or joined[-1].endswith(BREAKS)):
            joined[-1] += word
        else:
            joined.append(word)
    cut = max(joined[-1].rfind(mark) for mark in BREAKS) + 1
    os.environ.update(COMP_WORDS="\n".join(joined), COMP_CWORD=str(len(joined) - 1))
    os.environ[SPLIT] = joined[-1][:cut]
