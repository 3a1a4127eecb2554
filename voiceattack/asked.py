"""What users ask for, checked: models whose errors are plain usage errors."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from typing_extensions import Self

from voiceattack.commands import CommandOption
from voiceattack.errors import SpecError

__all__ = ["Asked", "reason_of"]


class Asked(BaseModel):
    """Base of what is asked for: unknown names, NaN and infinity are errors, and every error is a SpecError."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _told(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(value)
        except ValidationError as error:
            raise SpecError(reason_of(error, cls)) from error


def reason_of(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """The first fault as one line: what was given where, and what must be given; a field is named as users know it."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    field = None if model is None or not first["loc"] else model.model_fields.get(str(first["loc"][0]))
    options = [] if field is None else [item.name for item in field.metadata if isinstance(item, CommandOption)]
    shown = next(filter(None, options), place)
    message = str(first["msg"]).removeprefix("Value error, ")
    given = "" if isinstance(first["input"], dict) or first["type"] == "missing" else f", got {repr(first['input'])[:60]}"
    return f"{shown + ': ' if shown else ''}{message[:1].lower()}{message[1:]}{given}"
