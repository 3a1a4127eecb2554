"""Home Assistant's configuration for the home in a YAML file (samples/home.yaml): devices that only remember how they were set.

Behind each stands a helper (``input_boolean``, ``input_number``); an entity of a template platform shows it and sets it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from voiceattack.victims.assistants.home import Entity, Home

__all__ = ["configuration", "left_out"]

Config = dict[str, Any]

ON_AT_FIRST = frozenset({"lock"})
"""Locks are locked when the home starts; all else is off, closed or docked."""


def configuration(home: Home, port: int) -> Config:
    """``configuration.yaml`` as a dict: on loopback only, without integrations that look at the network.

    Args:
        home: its entities become devices; areas and aliases are set afterwards, over the API.
        port: of the web server.
    """
    config: Config = {
        "homeassistant": {
            "name": "voiceattack",
            "unit_system": "metric",
            "time_zone": "UTC",
            "auth_providers": [{"type": "homeassistant"}],
        },
        "http": {"server_host": "127.0.0.1", "server_port": port},
        **{name: None for name in ("api", "config", "conversation", "stt", "assist_pipeline")},
        "input_boolean": {},
        "input_number": {},
        "template": [],
    }
    for entity in home.entities:
        if entity.domain in BUILDERS:
            BUILDERS[entity.domain](config, entity)
    # ``scene`` brings the service that puts states back, also where a home has no scenes.
    return {**{name: value for name, value in config.items() if value != {} and value != []}, "scene": config.get("scene", [])}


def left_out(home: Home) -> list[str]:
    """Ids of entities of a kind that cannot be made here."""
    return [entity.id for entity in home.entities if entity.domain not in BUILDERS]


def _helper(config: Config, entity: Entity) -> str:
    key = entity.id.replace(".", "_")
    config["input_boolean"][key] = {"initial": entity.domain in ON_AT_FIRST}
    return f"input_boolean.{key}"


def _number(config: Config, entity: Entity, most: float, initial: float) -> str:
    key = entity.id.replace(".", "_")
    config["input_number"][key] = {"min": 0, "max": most, "step": most / 100 if most == 1 else 1, "initial": initial}
    return f"input_number.{key}"


def _set(helper: str, on: bool) -> Config:
    return {"service": f"input_boolean.turn_{'on' if on else 'off'}", "target": {"entity_id": helper}}


def _set_number(helper: str, variable: str) -> Config:
    return {"service": "input_number.set_value", "target": {"entity_id": helper}, "data": {"value": f"{{{{ {variable} }}}}"}}


def _is_on(helper: str) -> str:
    return f"{{{{ is_state('{helper}', 'on') }}}}"


def _platform(config: Config, domain: str, platform: str, facts: Config) -> None:
    config.setdefault(domain, []).append({"platform": platform, **facts})


def _named(config: Config, entity: Entity, group: str, facts: Config) -> None:
    """A template entity whose key becomes its entity id."""
    key = entity.id.partition(".")[2]
    named = {"friendly_name": entity.name, "unique_id": entity.id, **facts}
    _platform(config, entity.domain, "template", {group: {key: named}})


def _light(config: Config, entity: Entity) -> None:
    helper, level = _helper(config, entity), _number(config, entity, 255, 255)
    facts = {
        "value_template": _is_on(helper),
        "level_template": f"{{{{ states('{level}') | int }}}}",
        "turn_on": _set(helper, True),
        "turn_off": _set(helper, False),
        "set_level": [_set_number(level, "brightness"), _set(helper, True)],
    }
    _named(config, entity, "lights", facts)


def _switched(group: str) -> Callable[[Config, Entity], None]:
    def build(config: Config, entity: Entity) -> None:
        helper = _helper(config, entity)
        facts = {"value_template": _is_on(helper), "turn_on": _set(helper, True), "turn_off": _set(helper, False)}
        _named(config, entity, group, facts)

    return build


def _cover(config: Config, entity: Entity) -> None:
    helper = _helper(config, entity)
    facts = {"value_template": _is_on(helper), "open_cover": _set(helper, True), "close_cover": _set(helper, False)}
    _named(config, entity, "covers", {**facts, **({"device_class": entity.device_class} if entity.device_class else {})})


def _vacuum(config: Config, entity: Entity) -> None:
    helper = _helper(config, entity)
    state = f"{{{{ 'cleaning' if is_state('{helper}', 'on') else 'docked' }}}}"
    facts = {"value_template": state, "start": _set(helper, True), "return_to_base": _set(helper, False)}
    _named(config, entity, "vacuums", facts)


def _lock(config: Config, entity: Entity) -> None:
    helper = _helper(config, entity)
    facts = {"value_template": _is_on(helper), "lock": _set(helper, True), "unlock": _set(helper, False)}
    _platform(config, "lock", "template", {"name": entity.name, "unique_id": entity.id, **facts})


def _media_player(config: Config, entity: Entity) -> None:
    helper, volume = _helper(config, entity), _number(config, entity, 1, 0.5)
    facts = {
        "commands": {
            "turn_on": _set(helper, True),
            "turn_off": _set(helper, False),
            "volume_set": _set_number(volume, "volume_level"),
        },
        "attributes": {"state": helper, "volume_level": volume},
    }
    _platform(config, "media_player", "universal", {"name": entity.name, "unique_id": entity.id, **facts})


def _climate(config: Config, entity: Entity) -> None:
    sensor = f"{entity.id.replace('.', '_')}_temperature"
    measured = {"name": sensor, "unique_id": sensor, "state": "19", "unit_of_measurement": "°C", "device_class": "temperature"}
    config["template"].append({"sensor": [measured]})
    facts = {
        "heater": _helper(config, entity),
        "target_sensor": f"sensor.{sensor}",
        "target_temp": 19,
        "initial_hvac_mode": "heat",
    }
    _platform(config, "climate", "generic_thermostat", {"name": entity.name, "unique_id": entity.id, **facts})


def _binary_sensor(config: Config, entity: Entity) -> None:
    facts = {"name": entity.name, "unique_id": entity.id, "state": _is_on(_helper(config, entity))}
    kind = {"device_class": entity.device_class} if entity.device_class else {}
    config["template"].append({"binary_sensor": [{**facts, **kind}]})


def _weather(config: Config, entity: Entity) -> None:
    facts = {"condition_template": "sunny", "temperature_template": "{{ 21 }}", "humidity_template": "{{ 50 }}"}
    _platform(config, "weather", "template", {"name": entity.name, "unique_id": entity.id, **facts})


def _todo(config: Config, entity: Entity) -> None:
    """Nothing: Home Assistant's one shopping list is no part of this file; it is added over the API."""


def _scene(config: Config, entity: Entity) -> None:
    config.setdefault("scene", []).append({"id": entity.id, "name": entity.name, "entities": {}})


BUILDERS: dict[str, Callable[[Config, Entity], None]] = {
    "binary_sensor": _binary_sensor,
    "climate": _climate,
    "cover": _cover,
    "fan": _switched("fans"),
    "light": _light,
    "lock": _lock,
    "media_player": _media_player,
    "scene": _scene,
    "switch": _switched("switches"),
    "todo": _todo,
    "vacuum": _vacuum,
    "weather": _weather,
}
