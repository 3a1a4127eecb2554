"""Commands as they are printed for a user to copy: quoted for a shell, and read back as the same words."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

__all__ = ["CommandOption", "command_line", "command_option", "option_words", "param_text", "param_value"]


@dataclass(frozen=True)
class CommandOption:
    """How a model's field reads on the command line; annotates the field where its own name and default do not say it.

    Attributes:
        name: ``--NAME``; empty for the field's name with ``-`` for ``_``, after ``no-`` where a switch is on by default.
        metavar: what ``--help`` shows for the value; None for the type.
        default: what ``--help`` shows for the default; None for the default itself.
    """

    name: str = ""
    metavar: str | None = None
    default: str | None = None


def command_option(name: str, field: FieldInfo) -> CommandOption:
    """How the field ``name`` of a model reads on the command line, its name filled in."""
    given = next((item for item in field.metadata if isinstance(item, CommandOption)), CommandOption())
    own = f"--{'no-' if field.default is True else ''}{name.replace('_', '-')}"
    return CommandOption(given.name or own, given.metavar, given.default)


def option_words(given: BaseModel, names: Iterable[str]) -> list[str]:
    """The words of a command line that give the fields ``names`` of a model, but for those that hold their default."""
    words: list[str] = []
    for name in names:
        field, value = type(given).model_fields[name], getattr(given, name)
        if value != field.default:
            option = command_option(name, field).name
            words += [option] if isinstance(value, bool) else [option, value if isinstance(value, str) else repr(value)]
    return words


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
