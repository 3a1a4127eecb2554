"""Victims that a file names: what runs programs, imports modules or sends to servers is loaded when the user vouches for it.

A run, a suite or a baseline may come from anybody. Specs that a program or a command line gives are the user's own; those that
are read out of a file pass :meth:`Trust.check` before anything of them is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from voiceattack.errors import SpecError, TrustError, UnknownNameError
from voiceattack.registry import Outside
from voiceattack.victims import VICTIMS
from voiceattack.victims.specs import parse_spec, without_patience

__all__ = ["NOBODY", "Part", "Trust", "outside", "specs_in"]

VICTIM_KEYS = ("victim", "interpreter")
"""Of a run's request or an example's recipe: the keys that hold a spec. Parameters of attacks may hold others."""


@dataclass(frozen=True)
class Part:
    """A victim, or one inside another, that reaches out of this process."""

    spec: str
    outside: Outside


def outside(spec: str) -> list[Part]:
    """The parts of a victim that reach out of this process, its own first; empty for one that computes here. Nothing is loaded.

    Raises:
        SpecError: malformed options.
    """
    return list(_parts(spec))


def _parts(spec: str) -> Iterator[Part]:
    parsed = parse_spec(spec)
    try:
        found = VICTIMS.entry(parsed.scheme).outside
    except UnknownNameError:
        return  # nothing of it can be loaded
    if found is not None and not found.spared(parsed.rest):
        yield Part(spec.strip(), found)
    for member in parsed.members:
        yield from _parts(member)


def specs_in(asked: Mapping[str, Any]) -> list[str]:
    """Specs in a run's request or an example's recipe: who is attacked, who acts, and whoever the attack's parameters name."""
    own = [str(asked[key]) for key in VICTIM_KEYS if asked.get(key)]
    return [*own, *dict.fromkeys(_named_in(asked.get("params")))]


def _named_in(value: Any) -> Iterator[str]:
    """Texts anywhere in parameters that name a victim, whole or between commas or bars, as lists of surrogates are written."""
    if isinstance(value, Mapping):
        for item in (*value.keys(), *value.values()):
            yield from _named_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _named_in(item)
    elif isinstance(value, str):
        for text in dict.fromkeys([value.strip(), *(part.strip() for part in re.split("[,|]", value))]):
            if _is_spec(text):
                yield text


def _is_spec(text: str) -> bool:
    try:
        return parse_spec(text).scheme in VICTIMS.names()
    except SpecError:
        return False  # none that could be loaded


@dataclass(frozen=True)
class Trust:
    """What a user vouches for.

    Attributes:
        everything: whether whatever the files name may be loaded (``--trust``).
        named: specs that the user gave beside the file (``--victim``); how patiently they are asked does not matter.
    """

    everything: bool = False
    named: frozenset[str] = frozenset()

    @classmethod
    def of(cls, named: Iterable[str] | None, everything: bool = False) -> Trust:
        """Trust in the specs given and, with ``everything``, in all others."""
        return cls(everything, frozenset(map(without_patience, named or ())))

    def refused(self, specs: Iterable[str]) -> list[Part]:
        """The parts of ``specs`` that may not be loaded."""
        if self.everything:
            return []
        unknown = [spec for spec in dict.fromkeys(specs) if without_patience(spec) not in self.named]
        parts = [part for spec in unknown for part in outside(spec)]
        return [part for part in dict.fromkeys(parts) if without_patience(part.spec) not in self.named]

    def check(self, specs: Iterable[str], where: object) -> None:
        """Let pass what computes here and what the user vouches for.

        Args:
            specs: as a file names them.
            where: the file, for the message.

        Raises:
            TrustError: one of them reaches out of this process, and the user has not named it.
            SpecError: one is malformed.
        """
        refused = self.refused(specs)
        if not refused:
            return
        first, more = refused[0], len(refused) - 1
        also = f" (and {more} more)" if more else ""
        raise TrustError(
            f"{where}: names the victim {first.spec!r}, which {first.outside.does}{also}; nothing of it was loaded. "
            "If the file is yours, or you have read it: say --trust, or name what may be used with --victim"
        )


NOBODY = Trust()
"""No trust: what a file names computes here, or is refused."""
