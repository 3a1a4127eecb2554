"""One registry class for attacks, victims, metrics, formats: duplicates raise, unknown names list the choices and the nearest."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from voiceattack.errors import SpecError, UnknownNameError

__all__ = ["Entry", "Option", "Outside", "Registry"]

T = TypeVar("T")


@dataclass(frozen=True)
class Outside:
    """What a registered thing does beyond computing here and reading the files it is given.

    Attributes:
        does: continues "X ...": ``"runs a program"``, ``"asks a server"``.
        at_once: whether it does so when it is loaded, not only when it is used.
        unless: ``"package.module:function"``, which takes what follows the scheme and says whether nothing of the kind is needed.
    """

    does: str
    at_once: bool = False
    unless: str | None = None

    def spared(self, rest: str) -> bool:
        """Whether what is named by ``rest`` does nothing outside after all."""
        return self.unless is not None and bool(_load(self.unless)(rest))


PLUG_IN = Outside("is an installed plug-in's, which may do anything", at_once=True)


@dataclass(frozen=True)
class Option:
    """What may be said beside the name of a registered thing, as ``?name=value`` in a victim's spec.

    Attributes:
        name: of the option.
        takes: what its value may be, in a few words.
        file: whether the value names a file whose content counts.
    """

    name: str
    takes: str
    file: bool = False


@dataclass(frozen=True)
class Entry:
    """One registered thing: where it lives (``"package.module:attribute"``) and one line on what it is.

    Attributes:
        requires: name of the optional extra, if any.
        packages: distributions whose versions decide what it does, beside those that everything here uses.
        outside: what it does beyond this process, if anything.
        options: all it takes; None where only the thing itself knows, as with plug-ins.
        differentiable: of a victim, whether attacks can compute gradients through it; some turn out so only when loaded.
    """

    name: str
    location: str
    summary: str
    requires: str | None = None
    packages: tuple[str, ...] = ()
    outside: Outside | None = None
    options: tuple[Option, ...] | None = None
    differentiable: bool = False


class Registry(Generic[T]):
    """Names mapped to lazily imported objects.

    Args:
        kind: what is registered, in the singular, for error messages (``"attack"``).
        group: entry-point group through which third parties add theirs (``"voiceattack.attacks"``).
    """

    def __init__(self, kind: str, group: str | None = None) -> None:
        self.kind = kind
        self.group = group
        self._entries: dict[str, Entry] = {}
        self._families: dict[str, Entry] = {}
        self._plugins_loaded = group is None

    def add(
        self,
        name: str,
        location: str,
        summary: str,
        requires: str | None = None,
        *,
        packages: Sequence[str] = (),
        outside: Outside | None = None,
        options: Sequence[Option] | None = None,
        differentiable: bool = False,
    ) -> None:
        """Register ``name``; ``location`` is imported only when it is asked for. The rest is as :class:`Entry` says.

        Raises:
            SpecError: ``name`` is taken.
        """
        if name in self._entries:
            raise SpecError(
                f"{self.kind} {name!r} is registered twice: {self._entries[name].location} and {location}; rename one"
            )
        known = None if options is None else tuple(options)
        self._entries[name] = Entry(name, location, summary, requires, tuple(packages), outside, known, differentiable)

    def add_family(self, scheme: str, location: str, summary: str) -> None:
        """Let ``scheme:NAME`` stand for what another registry calls NAME.

        Such names are resolved and listed in one line, but not among :meth:`names`.

        Args:
            scheme: what stands before the colon.
            location: of the other registry, imported only when it is asked.
            summary: one line on its members.
        """
        self._families[scheme] = Entry(f"{scheme}:NAME", location, summary)

    def family(self, name: str) -> Registry[T] | None:
        """The registry that ``scheme:...`` is looked up in; None for a name of this one."""
        scheme, mark, _ = name.partition(":")
        if not mark or scheme not in self._families:
            return None
        found: Registry[T] = _load(self._families[scheme].location)
        return found

    def families(self) -> list[Entry]:
        """One entry a family, named ``scheme:NAME``."""
        return [self._families[scheme] for scheme in sorted(self._families)]

    def _load_plugins(self) -> None:
        if self._plugins_loaded:
            return
        self._plugins_loaded = True
        for point in sorted(entry_points(group=self.group or ""), key=lambda point: point.name):
            source = f"{point.dist.name} (installed plug-in)" if point.dist else "an installed plug-in"
            packages = [point.dist.name] if point.dist else []
            self.add(point.name, point.value, f"from {source}", packages=packages, outside=PLUG_IN)

    def names(self) -> list[str]:
        """All registered names, sorted."""
        self._load_plugins()
        return sorted(self._entries)

    def in_order(self) -> list[str]:
        """All registered names, as they were registered; those of installed plug-ins by name."""
        self._load_plugins()
        return list(self._entries)

    def entries(self) -> Iterator[Entry]:
        """All entries, sorted by name."""
        return (self._entries[name] for name in self.names())

    def entry(self, name: str) -> Entry:
        """The entry of ``name``.

        Raises:
            UnknownNameError: no such name; the message lists the choices and the nearest.
        """
        members = self.family(name)
        if members is not None:
            return members.entry(name.partition(":")[2])
        names = self.names() + [entry.name for entry in self.families()]
        if name not in self._entries:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise UnknownNameError(f"unknown {self.kind} {name!r}{hint}; known: {', '.join(names)}")
        return self._entries[name]

    def get(self, name: str) -> T:
        """Import and return what ``name`` stands for."""
        loaded: T = _load(self.entry(name).location)
        return loaded


def _load(location: str) -> Any:
    module, _, attribute = location.partition(":")
    return getattr(importlib.import_module(module), attribute)
