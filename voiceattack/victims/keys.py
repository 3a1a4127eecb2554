r"""Keys of servers, cleaned out of whatever comes back before any of it is shown or kept.

A server may repeat the key that it was sent: in an error, in the address of a redirection, in a transcript. It may write it
otherwise than it was sent: percent-encoded, escaped as JSON or HTML, in base64. So each text is compared as it is and decoded, as
often as there is something to decode, and what stands for the key is replaced where it stands. Keys are found in any case: host
names lose it.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator, Sequence
from html.entities import html5
from typing import Any, TypeVar

__all__ = ["MARK", "Keys"]

T = TypeVar("T")
MARK = "***"
FEWEST = 8
FEWEST_MIXED = 4
"""Characters of a key that is looked for; see :meth:`Keys.is_secret`."""
LAYERS = 8
"""Times that a text is decoded: an escape in an escape in an escape ..."""
MOST_CHARACTERS = 1 << 22
"""No answer of a server worth keeping is longer."""
NAMES = re.compile(r"(?:^|_)(?:API_?)?(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD)$", re.IGNORECASE)
"""Environment variables that hold keys."""
ESCAPE = re.compile(
    r"%(?P<percent>[0-9a-f]{2})"
    r"|\\(?:u(?P<u>[0-9a-f]{4})|x(?P<x>[0-9a-f]{2})|(?P<itself>[\"'/\\]))"
    r"|&(?:#x0*(?P<hex>[0-9a-f]{1,4})|#0*(?P<decimal>[0-9]{1,5})|(?P<name>[a-z]{2,8})(?=;));?",
    re.IGNORECASE,
)


class Keys:
    """Texts without the keys that were sent.

    Args:
        values: the keys; None, and those that :meth:`is_secret` takes for no secret, are not looked for.
    """

    def __init__(self, *values: str | None) -> None:
        forms = [form for value in values if value and self.is_secret(value) for form in _forms(value)]
        self._pattern = re.compile("|".join(forms)) if forms else None

    @classmethod
    def of_environment(cls) -> Keys:
        """What a program of this environment may print: the variables whose names end with KEY, TOKEN, SECRET or PASSWORD."""
        return cls(*(value.strip() for name, value in os.environ.items() if NAMES.search(name)))

    @staticmethod
    def is_secret(value: str) -> bool:
        """Whether ``value`` is looked for: from 8 characters on, or from 4 on if they are not letters alone or digits alone.

        Servers without keys are given ``x``, ``none``, ``EMPTY`` or ``token``. Words like these are no secret, and a transcript
        without them would be another one.
        """
        return len(value) >= FEWEST or (len(value) >= FEWEST_MIXED and not value.isalpha() and not value.isdigit())

    def text(self, text: str) -> str:
        """``text`` with ``***`` for each key. To be asked before it is cut, for half a key would not be found."""
        if self._pattern is None:
            return text
        if len(text) > MOST_CHARACTERS:
            return f"{MARK} ({len(text)} characters, too many to look for a key in them)"
        kept, place = [], 0
        for begin, end in _joined(self._found(text, self._pattern)):
            kept += [text[place:begin], MARK]
            place = end
        return "".join([*kept, text[place:]])

    def cleaned(self, value: T) -> T:
        """The same of a JSON value: every string in it, names too. Raises RecursionError as ``json`` does."""
        if self._pattern is None:
            return value
        clean: Any = value
        if isinstance(value, str):
            clean = self.text(value)
        elif isinstance(value, dict):
            clean = {self.cleaned(name): self.cleaned(item) for name, item in value.items()}
        elif isinstance(value, list):
            clean = [self.cleaned(item) for item in value]
        return clean  # type: ignore[no-any-return]

    @staticmethod
    def _found(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, int]]:
        """Where keys stand in ``text``, as it is and decoded."""
        plain = text
        starts: Sequence[int] = range(len(text) + 1)
        for _ in range(LAYERS):
            yield from ((starts[found.start()], starts[found.end()]) for found in pattern.finditer(plain))
            decoded, starts = _decoded(plain, starts)
            if decoded == plain:
                return
            plain = decoded


def _forms(key: str) -> Iterator[str]:
    """Patterns of one key: as it is, its hexadecimal digits, and base64 of either alphabet wherever the key begins in it."""
    plain = {key, key.replace(" ", "+"), key.encode().hex()}
    yield f"(?i:{'|'.join(map(re.escape, sorted(plain)))})"
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + key.encode()).decode()
        # Three bytes are four characters: those at either end hold bits of the neighbours too.
        sure = encoded[-(-8 * before // 6) : 8 * (before + len(key.encode())) // 6]
        if len(sure) >= FEWEST:
            letters = re.escape(sure).replace(r"\+", "[+-]").replace("/", "[/_]")
            yield f"[A-Za-z0-9+/_-]?{letters}[A-Za-z0-9+/_-]?={{0,2}}"


def _decoded(text: str, starts: Sequence[int]) -> tuple[str, Sequence[int]]:
    """``text`` with one layer of escapes decoded; where its characters begin in the text at first, and the last one ends."""
    parts: list[str] = []
    begins: list[int] = []
    place = 0
    for found in ESCAPE.finditer(text):
        if (character := _character(found)) is not None:
            parts += [text[place : found.start()], character]
            begins += [*starts[place : found.start()], starts[found.start()]]
            place = found.end()
    return ("".join([*parts, text[place:]]), [*begins, *starts[place:]]) if parts else (text, starts)


def _character(found: re.Match[str]) -> str | None:
    """The character that an escape stands for; None for a name that HTML does not have, and for two characters."""
    if found["itself"]:
        return found["itself"]
    if found["name"]:
        named = html5.get(f"{found['name']};") or html5.get(f"{found['name'].lower()};", "")
        return named if len(named) == 1 else None
    if found["decimal"]:
        return chr(int(found["decimal"]))
    return chr(int(found["percent"] or found["u"] or found["x"] or found["hex"], 16))


def _joined(spans: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The spans in order, those that overlap as one."""
    last: tuple[int, int] | None = None
    for begin, end in sorted(spans):
        if last is not None and begin < last[1]:
            last = last[0], max(last[1], end)
            continue
        if last is not None:
            yield last
        last = begin, end
    if last is not None:
        yield last
