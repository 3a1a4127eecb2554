"""``numbers``: numbers and units written another way: ``ten`` and ``10``, ``percent`` and ``%``."""

from __future__ import annotations

from typing import ClassVar

from voiceattack.text import base
from voiceattack.text.edits import Edit, Word
from voiceattack.text.perturbations.homophones import cased

__all__ = ["NUMBER_WORDS", "Numbers"]

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"),
    *("fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_NAMES = (*_ONES, *(tens + (f" {_ONES[one]}" if one else "") for tens in _TENS for one in range(10)), "one hundred")
_TO_DIGITS = {name: str(number) for number, name in enumerate(_NAMES)} | {
    name.replace(" ", "-"): str(number) for number, name in enumerate(_NAMES)
}
NUMBER_WORDS = frozenset(name for name in _TO_DIGITS if " " not in name) | {"hundred", "thousand", "million"}
_UNITS = {
    **{"percent": ("%", "per cent"), "degrees": ("°", "deg"), "minutes": ("min", "mins"), "minute": ("min",)},
    **{"seconds": ("s", "sec"), "hours": ("h", "hrs"), "hour": ("h",), "celsius": ("C",), "fahrenheit": ("F",)},
}


class Numbers(base.Perturbation):
    """Whole numbers to 100 in words or digits, and the usual abbreviations of units. What is meant and said stays."""

    name: ClassVar[str] = "numbers"
    summary: ClassVar[str] = "numbers and units spelt another way"
    languages: ClassVar[frozenset[str] | None] = frozenset({"en"})
    spoken: ClassVar[bool] = False

    def options(self, text: str, words: list[Word], index: int) -> list[Edit]:
        word = words[index]
        low = word.text.lower()
        new: list[str] = []
        if low in _TO_DIGITS:
            digits = _TO_DIGITS[low]
            new += [digits, f"{digits}.0", f"0{digits}"]
        elif low.isascii() and low.isdigit() and int(low) < len(_NAMES):
            name = _NAMES[int(low)]
            new += [cased(name, word.text), name.replace(" ", "-"), f"{low}.0"]
        new += _UNITS.get(low, ())
        return [Edit(word.start, word.end, word.text, other) for other in dict.fromkeys(new) if other != word.text]
