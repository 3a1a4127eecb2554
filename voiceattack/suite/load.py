"""Read a suite file. Errors name the line, the key and the nearest key that there is."""

from __future__ import annotations

import difflib
import os
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from voiceattack.errors import SpecError
from voiceattack.files import one_line, read_text
from voiceattack.suite.schema import Suite
from voiceattack.suite.variables import VariableError, expand
from voiceattack.yaml_text import YamlError, parse_yaml

__all__ = ["load_suite", "nearest", "parse_suite"]


def load_suite(path: Path) -> Suite:
    """The suite in a file.

    Raises:
        SpecError: no such file, no YAML, an unknown key, a wrong value, or a variable that it may not use; says the line.
    """
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise SpecError(f"{path}: cannot be read ({one_line(error)}); make one with: voiceattack init") from error
    return parse_suite(text, str(path))


def parse_suite(text: str, where: str = "suite") -> Suite:
    """As :func:`load_suite`, from text."""
    try:
        value, node = parse_yaml(text)
    except YamlError as error:
        raise SpecError(f"{where}:{error.line}: {error.problem}") from error
    if not isinstance(value, dict):
        raise SpecError(f"{where}: holds no keys; it needs 'inputs' and 'victims'; see: voiceattack init")
    # Keys that begin so are free, for anchors.
    value = {key: inner for key, inner in value.items() if not str(key).startswith("x-")}
    try:
        value, expansions = expand(value, os.environ)
    except VariableError as error:
        raise SpecError(f"{where}:{_line(node, error.place)}: {_shown(error.place)}: {error}") from error
    try:
        return Suite.model_validate(value).with_expansions(expansions)
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
    given = repr(error["input"])
    shown = given if len(given) <= 100 else f"{given[:97]}..."
    return f"{message[:1].lower()}{message[1:]}" + ("" if isinstance(error["input"], dict) else f", got {shown}")


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
