"""What all commands have in common: one check of every option's numbers, and options that are made when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand
from typer.main import get_command_from_info
from typer.models import CommandInfo

from voiceattack.numbers import usable

__all__ = ["Command", "grouped"]


class Command(TyperCommand):
    """A command whose numbers are finite and small enough to count with: bounds alone let NaN through, which is in no order.

    The options of a :func:`grouped` function are made when this command is the one that is called or explained.
    """

    _given: list[Any]
    _late: Callable[[], Callable[..., None]] | None = None

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._late = getattr(self.callback, "late", None)

    @property
    def params(self) -> list[Any]:
        """The options and arguments."""
        if self._late is not None:
            late, self._late = self._late, None
            whole = get_command_from_info(CommandInfo(callback=late()), pretty_exceptions_short=False, rich_markup_mode=None)
            self._given, self.callback = whole.params, whole.callback
        return self._given

    @params.setter
    def params(self, params: list[Any]) -> None:
        self._given = params

    def invoke(self, ctx: Any) -> Any:
        """Run it, after a look at its options."""
        for param in self.params:
            given = ctx.params.get(str(param.name))
            for value in given if isinstance(given, (list, tuple)) else (given,):
                if isinstance(value, (int, float)) and not usable(value):
                    raise typer.BadParameter(f"{str(value)[:20]} is not a number that can be used here", ctx=ctx, param=param)
        return super().invoke(ctx)


def grouped(models: Callable[[], dict[str, Any]]) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Decorate a command some of whose parameters are models: each stands for one option a field.

    To import models takes longer than all the rest of the command line, so it waits until :class:`Command` needs the options.

    Args:
        models: imports the models, and gives them by the names that the command's annotations use.
    """

    def decorate(command: Callable[..., None]) -> Callable[[], None]:
        def stand_in() -> None: ...

        def late() -> Callable[..., None]:
            from voiceattack.cli.option_groups import with_options

            return with_options(command, models())

        stand_in.__name__, stand_in.__doc__ = command.__name__, command.__doc__
        setattr(stand_in, "late", late)  # noqa: B010
        return stand_in

    return decorate
