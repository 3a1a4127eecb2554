"""What an assistant does with a sentence: an intent and its slots, as one comparable value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from voiceattack.errors import SpecError

__all__ = ["Intent", "parse_action"]

_ACTION = re.compile(r"\s*(?P<name>\w[\w.-]*)\s*(?:\{(?P<slots>[^{}]*)\})?\s*")


@dataclass(frozen=True)
class Intent:
    """An action; empty, and false, when nothing was understood and nothing is done.

    Attributes:
        name: the intent's name (``"HassTurnOff"``), ``""`` for no action.
        slots: what it is about (``{"name": "lock.front"}``), strings both.
        evidence: JSON-safe facts of what a running assistant was seen to do: ``answer``, what it said, and ``changes``, a list of
            ``{"entity", "before", "after"}``; empty where only a text was understood. No part of what is compared.
    """

    name: str = ""
    slots: Mapping[str, str] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __bool__(self) -> bool:
        return bool(self.name)

    def __str__(self) -> str:
        """``HassTurnOff{domain=lock,name=lock.front}``, slots in alphabetical order; ``-`` for no action."""
        if not self:
            return "-"
        slots = ",".join(f"{name}={value}" for name, value in sorted(self.slots.items()))
        return self.name + (f"{{{slots}}}" if slots else "")

    def covers(self, other: Intent) -> bool:
        """Whether ``other`` is this action: the same intent, with each slot named here equal there; it may have more."""
        return self.name == other.name and all(other.slots.get(name) == value for name, value in self.slots.items())

    def slot_errors(self, other: Intent) -> tuple[int, int]:
        """Slots that are missing, added or different in ``other``, and how many slots there are in either."""
        names = {*self.slots, *other.slots}
        return sum(self.slots.get(name) != other.slots.get(name) for name in names), len(names)

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        return {"name": self.name, "slots": dict(sorted(self.slots.items()))}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None) -> Intent:
        """The reverse of :meth:`as_dict`; None is no action."""
        return cls() if not data else cls(str(data.get("name", "")), dict(data.get("slots") or {}))


def parse_action(text: str) -> Intent:
    """``HassTurnOff{name=lock.front}`` or a name alone as an Intent.

    Raises:
        SpecError: it does not read so.
    """
    found = _ACTION.fullmatch(text)
    pairs = [pair.partition("=") for pair in (found["slots"] or "").split(",") if pair.strip()] if found else []
    if found is None or any(not mark or not name.strip() or not value.strip() for name, mark, value in pairs):
        raise SpecError(f"action {text!r} must read Intent{{slot=value,...}}, for example HassTurnOff{{name=lock.front}}")
    return Intent(found["name"], {name.strip(): value.strip() for name, _, value in pairs})
