"""Options of a command that are the fields of models: name, help, default and bounds come from the field."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args, get_type_hints

import typer
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from voiceattack.asked import reason_of
from voiceattack.cli.panels import MODELS
from voiceattack.commands import command_option
from voiceattack.errors import SpecError
from voiceattack.numbers import LARGEST

__all__ = ["with_options"]

KEYWORD = inspect.Parameter.KEYWORD_ONLY


def with_options(command: Callable[..., None], models: dict[str, Any]) -> Callable[..., None]:
    """The command with one option a field in place of each parameter that is a model; called, it makes the models again.

    Args:
        command: a function whose annotations name the models.
        models: by those names.

    Raises:
        SpecError: when called with what a field does not allow; names the option.
    """
    hints = get_type_hints(command, localns=models, include_extras=True)
    groups = {name: kind for name, kind in hints.items() if isinstance(kind, type) and issubclass(kind, BaseModel)}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        parameters += _options(groups[name]) if name in groups else [parameter.replace(annotation=hints[name], kind=KEYWORD)]

    def run(**given: Any) -> None:
        models = {name: _model(kind, given) for name, kind in groups.items()}
        command(**given, **models)

    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    setattr(run, "__signature__", inspect.Signature(parameters))  # noqa: B010
    return run


def _options(group: type[BaseModel]) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(group)
    for name, field in group.model_fields.items():
        option = command_option(name, field)
        info = typer.Option(
            False if field.default is True else field.default,
            option.name,
            help=field.description,
            metavar=option.metavar,
            show_default=True if option.default is None else option.default,
            min=_bound(field, "ge"),
            max=_bound(field, "le"),
            rich_help_panel=MODELS.get(group.__name__),
        )
        yield inspect.Parameter(_given_as(name, field), KEYWORD, default=info, annotation=hints[name])


def _given_as(name: str, field: FieldInfo) -> str:
    """The name of the option's value: a switch that is on by default is given to turn it off."""
    return f"no_{name}" if field.default is True else name


def _bound(field: FieldInfo, name: Literal["ge", "le"]) -> int | None:
    """An end of the range that ``--help`` shows, of whole numbers; the model checks the others, and every command the largest."""
    whole = int in (field.annotation, *get_args(field.annotation))
    values = [value for item in field.metadata if isinstance(value := getattr(item, name, None), int)]
    return next((value for value in values if whole and abs(value) < LARGEST), None)


def _model(group: type[BaseModel], given: dict[str, Any]) -> BaseModel:
    """One model from the values of the command's options, which are taken out of ``given``."""
    values = {}
    for name, field in group.model_fields.items():
        value = given.pop(_given_as(name, field))
        values[name] = not value if field.default is True else value
    try:
        return group(**values)
    except ValidationError as error:
        raise SpecError(reason_of(error, group)) from error
