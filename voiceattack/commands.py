"""Commands as they are printed for a user to copy: quoted for a shell, and read back as the same words."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

__all__ = ["command_line", "param_text", "param_value"]


def command_line(*words: str | Path) -> str:
    """``voiceattack WORD ...`` for a shell. A path that begins with ``-`` is written so that it is taken for no option."""
    return shlex.join(["voiceattack", *map(_word, words)])


def _word(word: str | Path) -> str:
    return f"./{word}" if isinstance(word, Path) and str(word).startswith("-") else str(word)


def param_text(name: str, value: Any) -> str:
    """``name=value`` as ``--param`` takes it; :func:`param_value` reads the same value back.

    Args:
        name: of the parameter.
        value: JSON-safe.
    """
    plain = isinstance(value, str) and param_value(value) == value
    return f"{name}={value if plain else json.dumps(value)}"


def param_value(text: str) -> Any:
    """What follows ``name=`` as a value: JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
