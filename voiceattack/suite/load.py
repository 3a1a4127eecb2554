"""Read a suite file. Errors name the line, the key and the nearest key that there is."""

from __future__ import annotations

import difflib
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from voiceattack.errors import SpecError
from voiceattack.files import one_line, read_text
from voiceattack.suite.schema import Suite

__all__ = ["load_suite", "nearest", "parse_suite"]


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key given twice is an error, not a silent loss."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise SpecError(f"{key.start_mark.line + 1}: key {key.value!r} is given twice; keep one")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def load_suite(path: Path) -> Suite:
    """The suite in a file.

    Raises:
        SpecError: no such file, no YAML, an unknown key or a wrong value; says the line.
    """
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: cannot be read ({one_line(error)}); make one with: voiceattack init") from error
    return parse_suite(text, str(path))


def parse_suite(text: str, where: str = "suite") -> Suite:
    """As :func:`load_suite`, from text."""
    try:
        node = yaml.compose(text, Loader=_Loader)
        value = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SpecError(f"{where}:{line}: no valid YAML ({error.problem})") from error
    except (SpecError, yaml.YAMLError, RecursionError) as error:
        raise SpecError(f"{where}:{one_line(error)}") from error
    if not isinstance(value, dict):
        raise SpecError(f"{where}: holds no keys; it needs 'inputs' and 'victims'; see: voiceattack init")
    try:
        return Suite.model_validate(value)
    except ValidationError as error:
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        place = _shown(first["loc"])
        raise SpecError(f"{where}:{_line(node, first['loc'])}: {place + ': ' if place else ''}{_reason(first)}") from error


def nearest(name: str, known: Sequence[str]) -> str:
    """`` (did you mean 'x'?)``, or nothing."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _reason(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        known = _keys(error["loc"][:-1])
        return f"unknown key{nearest(str(error['loc'][-1]), known)}; keys: {', '.join(known)}"
    if error["type"] == "missing":
        return "is missing"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{message[:1].lower()}{message[1:]}" + ("" if isinstance(error["input"], dict) else f", got {error['input']!r}")


def _keys(loc: Sequence[int | str]) -> list[str]:
    """The keys that there are in the part of a suite at ``loc``."""
    model: Any = Suite
    for part in loc:
        if isinstance(part, str) and isinstance(model, type) and issubclass(model, BaseModel) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation)
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _model_in(annotation: Any) -> Any:
    if get_origin(annotation) in (tuple, list, types.UnionType):
        return next((found for arg in get_args(annotation) if (found := _model_in(arg)) is not None), None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _shown(loc: Sequence[int | str]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")


def _line(node: Any, loc: Sequence[int | str]) -> int:
    """The line, from 1, at which ``loc`` stands, or the nearest that holds it."""
    line = 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line
