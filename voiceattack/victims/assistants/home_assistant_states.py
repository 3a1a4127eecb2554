"""What a sentence did to a home: the states of its entities before and after, and how they are put back."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from voiceattack.errors import VictimError
from voiceattack.victims.assistants.home_assistant_client import Session

__all__ = ["RESTORABLE", "Change", "State", "Watch", "changes"]

SETTINGS = (
    *("brightness", "hs_color", "color_temp", "temperature", "target_temp_high", "target_temp_low", "humidity"),
    *("percentage", "preset_mode", "oscillating", "current_position", "current_tilt_position", "fan_mode", "hvac_mode"),
    *("volume_level", "is_volume_muted", "source", "fan_speed", "operation_mode", "effect"),
)
"""Attributes that a sentence can set; the others describe or measure."""
RESTORABLE = frozenset(
    {
        *("alarm_control_panel", "automation", "climate", "counter", "cover", "fan", "group", "humidifier", "input_boolean"),
        *("input_datetime", "input_number", "input_select", "input_text", "light", "lock", "media_player", "number"),
        *("remote", "select", "switch", "text", "timer", "vacuum", "valve", "water_heater"),
    }
)
"""Domains whose states Home Assistant's service ``scene.apply`` sets."""
PAUSE_SECONDS = 0.1


@dataclass(frozen=True)
class State:
    """One entity at one time.

    Attributes:
        state: as Home Assistant writes it: ``on``, ``locked``, ``21.5``.
        settings: those of :data:`SETTINGS` that it has.
        attributes: all of them; ``scene.apply`` takes what it needs.
        user: id of the user who caused the last change, None when nobody did.
    """

    state: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict, compare=False)
    user: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Change:
    """One entity before and after."""

    entity: str
    before: State
    after: State

    def as_dict(self) -> dict[str, str]:
        """JSON-safe: ``{"entity": "light.lamp", "before": "off", "after": "on brightness=128"}``, settings where they differ."""
        names = [*self.after.settings, *(name for name in self.before.settings if name not in self.after.settings)]
        differ = [name for name in names if self.before.settings.get(name) != self.after.settings.get(name)]
        return {"entity": self.entity, "before": _words(self.before, differ), "after": _words(self.after, differ)}


def _words(state: State, settings: Sequence[str]) -> str:
    told = [(name, state.settings.get(name)) for name in settings]
    return " ".join([state.state, *(f"{name}={value}" for name, value in told if value is not None)])


class Watch:
    """The entities of a home that sentences act on.

    Entities that are hidden from Assist are left out, and so are changes that somebody else caused, if ``user`` is known: a
    sensor that reports, a person at a switch.

    Args:
        hidden: ids of entities that are not exposed to Assist.
        user: id of the user whose token it is.
    """

    def __init__(self, hidden: frozenset[str], user: str | None) -> None:
        self.hidden, self.user = hidden, user

    @classmethod
    def of(cls, session: Session) -> Watch:
        """Asks the server both."""
        exposed = session.command("homeassistant/expose_entity/list")["exposed_entities"]
        hidden = frozenset(entity for entity, to in exposed.items() if to.get("conversation") is False)
        return cls(hidden, session.command("auth/current_user")["id"])

    def read(self, session: Session) -> dict[str, State]:
        """The state of every entity, by its id."""
        found = {}
        for line in session.command("get_states"):
            if line["entity_id"] in self.hidden:
                continue
            attributes = line.get("attributes") or {}
            settings = {name: attributes[name] for name in SETTINGS if name in attributes}
            found[line["entity_id"]] = State(line["state"], settings, attributes, (line.get("context") or {}).get("user_id"))
        return found

    def restore(self, session: Session, done: list[Change], seconds: float) -> list[str]:
        """Put back what changed, by ``scene.apply``, and read again until it is so.

        Returns:
            Ids of entities that no service puts back (lists, scenes, buttons): they stay as they are.

        Raises:
            VictimError: an entity is not back within ``seconds``.
        """
        mine = {change.entity: change.before for change in done if change.entity.partition(".")[0] in RESTORABLE}
        mine = {entity: state for entity, state in mine.items() if state.state not in ("unavailable", "unknown")}
        if mine:
            entities = {entity: {**state.attributes, "state": state.state} for entity, state in mine.items()}
            session.command("call_service", domain="scene", service="apply", service_data={"entities": entities})
        until = time.monotonic() + seconds
        while mine:
            now = self.read(session)
            late = {entity: now[entity] for entity, state in mine.items() if entity in now and now[entity].state != state.state}
            if not late:
                break
            if time.monotonic() > until:
                entity, state = next(iter(late.items()))
                told = f"{entity} is {state.state!r} and does not go back to {mine[entity].state!r}"
                raise VictimError(f"{session.spec}: {told}; put it back by hand")
            time.sleep(PAUSE_SECONDS)
        return sorted({change.entity for change in done} - set(mine))


def changes(
    before: Mapping[str, State], after: Mapping[str, State], user: str | None, claimed: Collection[str] = ()
) -> list[Change]:
    """The entities of ``after`` that are not as ``before``, by their ids.

    Args:
        before, after: two readings.
        user: whose changes count; None for everybody's.
        claimed: entities that the answer says it set; they count whoever is named as the cause.
    """
    return [
        Change(entity, before[entity], state)
        for entity, state in sorted(after.items())
        if entity in before and state != before[entity] and (user in (None, state.user) or entity in claimed)
    ]
