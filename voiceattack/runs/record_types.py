"""How lines and files of a run are checked when they are read again: anybody may have edited them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

__all__ = ["Count", "Number", "Record", "RecordError", "Text", "check", "check_numbers", "shaped_as", "unchanged"]


def unchanged(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """Of a field: checked, and left as it was given."""
    check(value)
    return value


Text = Annotated[str, Field(max_length=10_000_000)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Number = Annotated[float | None, WrapValidator(unchanged)]
"""A finite number or None; an integer stays one, so that it is written again as it was."""


class RecordError(ValueError):
    """Which value of a record is not what it must be, in one line."""


class Record(BaseModel):
    """Of a file: keys that are not known are kept."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


Checked = TypeVar("Checked", bound=Record)


def check(model: type[Checked], value: Any) -> Checked:
    """``value`` as the model reads it; raises RecordError when it holds what it cannot."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))[:100]
        message = str(first["msg"]).removeprefix("Value error, ")
        raise RecordError(f"{where}: {message}" if where else message) from error


_NUMBERS: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Number], config=ConfigDict(strict=True, allow_inf_nan=False))


def check_numbers(given: Mapping[str, Any], names: Iterable[str]) -> None:
    """Raise ValidationError when a value under one of ``names`` is no finite number and not None."""
    _NUMBERS.validate_python({name: given[name] for name in names if name in given})


def shaped_as(model: type[Record]) -> AfterValidator:
    """Checks a dictionary by a model and leaves it as it is, so that it is written again with the same keys in the same order."""

    def checked(value: dict[str, Any]) -> dict[str, Any]:
        model.model_validate(value)
        return value

    return AfterValidator(checked)
