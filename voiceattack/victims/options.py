"""Options of victims' specs (``?name=value&...``): those that a registration does not name refused, values read and checked."""

from __future__ import annotations

from collections.abc import Sequence

from voiceattack.errors import SpecError
from voiceattack.numbers import number
from voiceattack.registry import Option

__all__ = ["SECRETS", "refuse_unknown", "take_choice", "take_number", "take_whole"]

SECRETS = ("token", "key", "api_key", "password")
"""What users try to put into specs, which are written into runs and reports."""


def refuse_unknown(where: str, options: dict[str, str], known: Sequence[Option]) -> None:
    """Refuse an option that the victim does not have. Done once, for every victim, by ``load_victim``.

    Args:
        where: the victim's scheme, for messages.
        options: as the spec gives them.
        known: of its registration.

    Raises:
        SpecError: names the first of those unknown and all that are known.
    """
    names = [option.name for option in known]
    unknown = sorted(set(options) - set(names))
    if not unknown:
        return
    if unknown[0] in SECRETS:
        raise SpecError(
            f"{where}: the {unknown[0]} is no option, for specs are written into runs; it comes from the environment "
            "(docs/how-to/servers.md says from which variable)"
        )
    raise SpecError(f"{where}: unknown option {unknown[0]!r}; known: {', '.join(names) or 'none'}")


def take_number(where: str, options: dict[str, str], name: str, default: float, low: float, high: float) -> float:
    """The option ``name`` taken out of ``options`` as a number from ``low`` to ``high``; ``where`` names the victim in errors.

    Raises:
        SpecError: it is none, or lies outside.
    """
    text = options.pop(name, None)
    return default if text is None else number(text, f"{where}: option {name}", low, high)


def take_whole(where: str, options: dict[str, str], name: str, default: int, low: int, high: int) -> int:
    """:func:`take_number` for whole numbers."""
    value = take_number(where, options, name, default, low, high)
    if value != int(value):
        raise SpecError(f"{where}: option {name} {value:g}: must be a whole number")
    return int(value)


def take_choice(where: str, options: dict[str, str], name: str, default: str, choices: Sequence[str]) -> str:
    """The option ``name`` taken out of ``options`` as one of ``choices``.

    Raises:
        SpecError: it is none of them.
    """
    value = options.pop(name, default)
    if value not in choices:
        raise SpecError(f"{where}: {name}={value!r} is none of {', '.join(choices)}")
    return value
