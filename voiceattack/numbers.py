"""Numbers that users ask for, read from texts and kept to what libraries take."""

from __future__ import annotations

from voiceattack.errors import SpecError

__all__ = ["LARGEST", "number", "numbers", "usable"]

LARGEST = 2**63 - 1
"""No whole number that is asked for is larger: beyond it, libraries overflow."""


def usable(value: float) -> bool:
    """Whether it is finite and no larger than :data:`LARGEST`; NaN is not."""
    return abs(value) <= LARGEST


def number(text: str, where: str, low: float, high: float) -> float:
    """``text`` as a number from ``low`` to ``high``; ``where`` names it in errors.

    Raises:
        SpecError: it is none, or lies outside; NaN does.
    """
    try:
        value = float(text)
    except ValueError as error:
        raise SpecError(f"{where} {text!r}: must be a number") from error
    if not low <= value <= high:
        raise SpecError(f"{where} {text!r}: must be from {low:g} to {high:g}")
    return value


def numbers(text: str, where: str, low: float, high: float) -> list[float]:
    """``text`` as numbers with commas between; see :func:`number`."""
    return [number(word.strip(), where, low, high) for word in text.split(",")]
