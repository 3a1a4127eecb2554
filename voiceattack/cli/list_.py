"""``voiceattack list``: the names that options take."""

from __future__ import annotations

import importlib
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voiceattack.cli.console import say
from voiceattack.extras import install_command, missing

if TYPE_CHECKING:
    from voiceattack.registry import Entry, Registry

__all__ = ["Kind", "list_names", "registry_of"]


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


def registry_of(kind: Kind) -> Registry[Any]:
    """The registry of what is listed; imported here."""
    module, name = REGISTRIES[kind]
    found: Registry[Any] = getattr(importlib.import_module(module), name)
    return found


def list_names(kind: Annotated[Kind, typer.Argument(help="What to list.")]) -> None:
    """List what options can be given, with what is installed of it.

    Victims, attacks, corruptions, metrics, text perturbations, searches, speakers, formats of reports and of exported corpora.
    """
    registry = registry_of(kind)
    entries = [*registry.entries(), *registry.families()]
    width = max((len(entry.name) for entry in entries), default=0)
    for entry in entries:
        say(f"{entry.name:<{width}}  {entry.summary}{_installed(entry, kind)}")
        if entry.options:
            say(f"{'':<{width}}  options: {', '.join(option.name for option in entry.options)}")


def _installed(entry: Entry, kind: Kind) -> str:
    """Whether it can be used here; said of victims always, and of others where they need more than the core."""
    if entry.requires is None:
        return " (installed)" if kind is Kind.victims else ""
    return f" (not installed: {install_command(entry.requires)})" if missing(entry.requires) else " (installed)"
