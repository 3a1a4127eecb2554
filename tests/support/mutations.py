"""Damage: what an editor, a disk or a stranger does to a file. Strategies that need no files and run nothing."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

__all__ = ["damaged", "damaged_json", "json_values", "odd_texts"]

NUMBERS = (0, 1, -1, 2, 0.5, 1e308, -1e308, 2**63, 10**25, float("nan"), float("inf"))
TEXTS = (
    *(
        "",
        " ",
        "\0",
        "a\0b",
        "\n",
        "..",
        "../../etc/passwd",
        "/",
        "/nowhere",
        ".",
        "a" * 300,
        "a/" * 2000,
        "é" * 200,
        "\u202eabc",
    ),
    *("`x`|<b>", "\ud800", "[bold]", "{}", "%s", "${HOME}", "null", "tiny", "tiny?x=1", "pgd", "noise", "corruption:speed_up"),
    *("fooled", "held", "clean transcript", "a.wav", "long.wav", "#t=0,1", "-1", "1e999", "0" * 64, "nan", "\x1b[31m", "\ufeff"),
    *("mute", "targeted", "\U0001d518"),
)
"""None of them names a program or a server."""

odd_texts = st.one_of(st.sampled_from(TEXTS), st.text(max_size=12))
scalars = st.one_of(st.none(), st.booleans(), st.sampled_from(NUMBERS), st.integers(), st.floats(), odd_texts)
json_values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(odd_texts, inner, max_size=3)), max_leaves=6
)


def _places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [place]
    if isinstance(value, dict):
        found += [inner for key in value for inner in _places(value[key], (*place, key))]
    elif isinstance(value, list):
        found += [inner for at in range(len(value)) for inner in _places(value[at], (*place, at))]
    return found


@st.composite
def damaged_json(draw: st.DrawFn, document: Any, most: int = 3) -> Any:
    """``document`` with up to ``most`` values replaced, removed, or added."""
    value = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(1, most))):
        place = draw(st.sampled_from(_places(value)))
        what = draw(st.sampled_from(("replace", "replace", "replace", "remove", "add")))
        if not place:
            continue
        holder = value
        for part in place[:-1]:
            holder = holder[part]
        if what == "replace":
            holder[place[-1]] = draw(json_values)
        elif what == "remove":
            del holder[place[-1]]
        elif isinstance(holder, dict):
            holder[draw(odd_texts)] = draw(json_values)
        else:
            holder.append(draw(json_values))
    return value


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """``data`` cut off, with bytes changed, a stretch removed or doubled, or rubbish put in."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 40)))
        what = draw(st.sampled_from(("cut", "change", "remove", "double", "insert")))
        if what == "cut":
            data = data[:start]
        elif what == "change":
            data = data[:start] + draw(st.binary(min_size=end - start, max_size=end - start)) + data[end:]
        elif what == "remove":
            data = data[:start] + data[end:]
        elif what == "double":
            data = data[:end] + data[start:]
        else:
            extra = st.one_of(st.binary(max_size=20), odd_texts.map(lambda text: text.encode("utf-8", "surrogatepass")))
            data = data[:start] + draw(extra) + data[start:]
    return data
