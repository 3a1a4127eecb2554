"""``${NAME}`` in a suite: values of the environment, of those names alone that the suite declares under ``env``.

A suite may be a stranger's, and specs of servers are sent. So a value is put in only where the suite says its name twice, in
``env`` and in place; :func:`in_specs` tells whoever guards specs what would go where; and a name that sounds like a key is never
put into a spec, which records hold and servers see: ``key_env=NAME`` is for that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Expansion", "VariableError", "expand", "in_specs"]

Place = tuple[int | str, ...]

REFERENCE = re.compile(r"\$\$|\$\{([^}]*)\}?")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SECRET = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH|PRIVATE", re.IGNORECASE)
SPECS = ("victims", "attacks")
"""The parts of a suite in which specs stand: of victims, and of models that attacks use beside them."""


class VariableError(ValueError):
    """A variable that is not put in, and where it stands."""

    def __init__(self, place: Place, problem: str) -> None:
        super().__init__(problem)
        self.place = place


@dataclass(frozen=True)
class Expansion:
    """One variable that was put in: where, and its name."""

    place: Place
    name: str


def expand(suite: dict[str, Any], environment: Mapping[str, str]) -> tuple[dict[str, Any], tuple[Expansion, ...]]:
    """The suite with every ``${NAME}`` in its texts replaced, ``$$`` by ``$``, and what was put in. Keys stay as they are.

    Args:
        suite: as YAML gave it; ``env`` lists the names that it may use.
        environment: where the values come from.

    Raises:
        VariableError: a name is not declared, not set, no name, or sounds like a key and stands in a spec.
    """
    declared = suite.get("env", [])
    names = frozenset(declared) if _is_names(declared) else frozenset()  # the schema says what is wrong with others
    done: list[Expansion] = []
    expanded = {
        key: value if key == "env" else _expanded(value, (key,), names, environment, done) for key, value in suite.items()
    }
    return expanded, tuple(done)


def in_specs(expansions: Sequence[Expansion]) -> dict[str, list[str]]:
    """What may leave this machine with a spec: names of variables by where they stand, ``victims[0].victim``.

    Who lets a suite of unknown origin run asks its user first when this is not empty.
    """
    found: dict[str, list[str]] = {}
    for one in expansions:
        if one.place[0] in SPECS:
            shown = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in one.place).lstrip(".")
            found.setdefault(shown, []).append(one.name)
    return found


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _expanded(value: Any, place: Place, names: frozenset[str], environment: Mapping[str, str], done: list[Expansion]) -> Any:
    if isinstance(value, dict):
        return {key: _expanded(inner, (*place, key), names, environment, done) for key, inner in value.items()}
    if isinstance(value, list):
        return [_expanded(inner, (*place, at), names, environment, done) for at, inner in enumerate(value)]
    if not isinstance(value, str) or "$" not in value:
        return value

    def put(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        name = found[1]
        if not NAME.fullmatch(name) or not found[0].endswith("}"):
            raise VariableError(place, f"{found[0]!r} names no variable; write ${{NAME}}, or $$ for a dollar sign")
        if name not in names:
            raise VariableError(place, f"variable {name} is not declared; if it may be used, write at the top:  env: [{name}]")
        if place[0] in SPECS and SECRET.search(name):
            raise VariableError(
                place, f"variable {name} sounds like a key, and specs are recorded and sent; name it there as key_env={name}"
            )
        if name not in environment:
            raise VariableError(place, f"variable {name} is not set; set it, for example: export {name}=...")
        done.append(Expansion(place, name))
        return environment[name]

    return REFERENCE.sub(put, value)
