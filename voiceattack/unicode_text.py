"""Text as a reader sees it: invisible characters marked, and lookalikes, reorderings and deletions folded away as a defence.

Boucher et al. 2022 ("Bad Characters") change what a program reads and not what a person sees. :func:`visible` shows such a
change, :func:`normalise` undoes it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Any

from voiceattack.errors import SpecError
from voiceattack.extras import optional_import

__all__ = [
    "NORMALISE_STEPS",
    "all_visible",
    "confusables",
    "csv_cell",
    "escape_json",
    "is_invisible",
    "normalise",
    "plain_apostrophes",
    "shown",
    "skeleton",
    "storable",
    "visible",
]

NORMALISE_STEPS = {
    "nfkc": "Unicode's compatibility composition (full-width, mathematical and ligature forms become plain letters)",
    "confusables": "invisible characters go, bidirectional overrides and backspaces are carried out, lookalikes become ASCII",
}
FORMULA = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What begins a formula in a spreadsheet, full-width signs included."""
BACKSPACE, DELETE = "\b", "\x7f"
FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Blank though their category says letter, mark or symbol."""
OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")

_APOSTROPHES = re.compile("[\u2019\u02bc\uff07]|(?<=[^\\W_])[\u2018\u201b\u02bb\u0060\u00b4\u2032](?=[^\\W\\d_])")


def is_invisible(character: str) -> bool:
    """Whether a reader would not see ``character``, or see it as a plain space: controls, formats, other spaces, fillers."""
    if character in " \n\t":
        return False
    code = ord(character)
    selector = 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF or 0x180B <= code <= 0x180F
    return selector or character in FILLERS or unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"}


def visible(text: str) -> str:
    """``text`` with each invisible character shown as ``⟨U+200B⟩``: fit for a terminal, a report, an error message."""
    return "".join(f"⟨U+{ord(character):04X}⟩" if is_invisible(character) else character for character in text)


def all_visible(value: Any) -> Any:
    """JSON-safe data with the invisible characters of its texts marked; ``data:`` URLs hold none."""
    if isinstance(value, dict):
        return {key: all_visible(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [all_visible(item) for item in value]
    return visible(value) if isinstance(value, str) and not value.startswith("data:") else value


def plain_apostrophes(text: str) -> str:
    """``text`` with ``'`` for what stands for it in print: the typographic apostrophe and its letter forms everywhere, and what
    may be a quotation mark too (an opening one, a backquote, an accent) between two letters."""
    return _APOSTROPHES.sub("'", text)


def storable(text: str) -> str:
    """``text`` with lone surrogates, which JSON can write and UTF-8 cannot, as U+FFFD: fit for a file and a terminal."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def escape_json(document: str) -> str:
    r"""A JSON document with invisible characters as ``\u200b``: the same value, and nothing hidden from who looks at it."""
    return "".join(_escape(character) if is_invisible(character) else character for character in document)


def csv_cell(value: object) -> object:
    """A value for a cell of CSV, of every sheet that is written: nested ones as JSON, None as nothing, text as text only."""
    if isinstance(value, (dict, list)):
        return escape_json(json.dumps(value, ensure_ascii=False))
    if not isinstance(value, str):
        return "" if value is None else value
    shown_text = visible(value)
    # A spreadsheet would run a transcript that begins like a formula.
    return f"'{shown_text}" if shown_text[:1] in FORMULA else shown_text


def _escape(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return character  # JSON has escaped those inside strings; outside them they are its own layout
    units = [code] if code < 0x10000 else [0xD800 + ((code - 0x10000) >> 10), 0xDC00 + ((code - 0x10000) & 0x3FF)]
    return "".join(f"\\u{unit:04x}" for unit in units)


def normalise(text: str, steps: str) -> str:
    """``text`` after the defence ``steps``, for example ``"nfkc+confusables"``.

    Raises:
        SpecError: an unknown step.
        MissingExtraError: ``confusables`` without the extra ``text``.
    """
    wanted = parse_steps(steps)
    if "confusables" in wanted:
        # Before NFKC too: that turns the lunate sigma, drawn as c, into a final sigma, and the long s, drawn as f, into s.
        text = skeleton(text)
    for step in wanted:
        text = unicodedata.normalize("NFKC", text) if step == "nfkc" else skeleton(text)
    return text


def parse_steps(steps: str) -> list[str]:
    """The steps that ``"nfkc+confusables"`` names; raises SpecError for an unknown one."""
    names = [name.strip() for name in steps.split("+")]
    for name in names:
        if name not in NORMALISE_STEPS:
            raise SpecError(f"normalise={steps!r}: unknown step {name!r}; join these with '+': {', '.join(NORMALISE_STEPS)}")
    return names


def skeleton(text: str) -> str:
    """What ``text`` looks like, in ASCII where Unicode's confusables data has a lookalike (after UTS #39's skeleton; that maps
    to one prototype whatever its script, this to ASCII letters and digits, and keeps the case)."""
    folded = unicodedata.normalize("NFC", shown(text))
    table = _to_ascii()
    return "".join(table.get(character, character) for character in folded)


def shown(text: str) -> str:
    """What a reader sees of ``text``: overrides and deletions carried out, invisible characters left out, spaces plain."""
    if any(character in OVERRIDES for character in text):
        display = optional_import("bidi", extra="text", feature="text with bidirectional controls").get_display
        text = "\n".join(str(display(line, base_dir="L")) for line in text.split("\n"))
    kept: list[str] = []
    for character in text:
        if character in (BACKSPACE, DELETE):
            del kept[-1:]
        elif unicodedata.category(character) == "Zs" or character == "\t":
            kept.append(" ")
        elif not is_invisible(character):
            kept.append(character)
    return "".join(kept)


@lru_cache(maxsize=1)
def confusables() -> dict[str, tuple[str, ...]]:
    """For each ASCII letter and digit, the single characters that Unicode's confusables data calls its lookalikes.

    Raises:
        MissingExtraError: the package confusable-homoglyphs is not installed.
    """
    package = optional_import("confusable_homoglyphs", extra="text", feature="lookalike characters")
    data = json.loads((Path(str(package.__file__)).parent / "confusables.json").read_text(encoding="utf-8"))
    wanted = [character for character in map(chr, range(128)) if character.isalnum()]
    return {key: tuple(item["c"] for item in data.get(key, ()) if len(item["c"]) == 1 and ord(item["c"]) > 127) for key in wanted}


@lru_cache(maxsize=1)
def _to_ascii() -> dict[str, str]:
    """Lookalike to ASCII. Of several (``Ӏ`` looks like I, l and 1) the one of its own case wins, letters before digits."""
    owners: dict[str, list[str]] = {}
    for key, alike in confusables().items():
        for character in alike:
            owners.setdefault(character, []).append(key)

    def unlike(character: str, key: str) -> tuple[bool, bool, str]:
        return key.isdigit() and not character.isdigit(), key.isupper() != character.isupper(), key

    return {character: min(keys, key=lambda key: unlike(character, key)) for character, keys in owners.items()}
