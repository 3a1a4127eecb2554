"""``voiceattack list``: the names that options take."""

from __future__ import annotations

import importlib
from enum import Enum
from typing import Annotated

import typer

from voiceattack.cli.console import say

__all__ = ["list_names"]


class Kind(str, Enum):
    """What can be listed."""

    victims = "victims"
    attacks = "attacks"
    corruptions = "corruptions"
    metrics = "metrics"
    perturbations = "perturbations"
    searches = "searches"
    speakers = "speakers"
    formats = "formats"
    exports = "exports"


REGISTRIES = {
    Kind.victims: ("voiceattack.victims", "VICTIMS"),
    Kind.attacks: ("voiceattack.attacks", "ATTACKS"),
    Kind.corruptions: ("voiceattack.attacks.corruptions", "CORRUPTIONS"),
    Kind.metrics: ("voiceattack.metrics", "METRICS"),
    Kind.perturbations: ("voiceattack.text", "PERTURBATIONS"),
    Kind.searches: ("voiceattack.text.search", "SEARCHES"),
    Kind.speakers: ("voiceattack.text.speech", "SPEAKERS"),
    Kind.formats: ("voiceattack.report", "FORMATS"),
    Kind.exports: ("voiceattack.export", "EXPORTS"),
}


def list_names(kind: Annotated[Kind, typer.Argument(help="What to list.")]) -> None:
    """List victims, attacks, corruptions, metrics, text perturbations, searches, speakers, report or export formats."""
    module, name = REGISTRIES[kind]
    registry = getattr(importlib.import_module(module), name)
    entries = [*registry.entries(), *registry.families()]
    width = max((len(entry.name) for entry in entries), default=0)
    for entry in entries:
        extra = f" (needs the extra {entry.requires!r})" if entry.requires else ""
        say(f"{entry.name:<{width}}  {entry.summary}{extra}")
        if entry.options:
            say(f"{'':<{width}}  options: {', '.join(option.name for option in entry.options)}")
