"""What all commands have in common: the help, one check of every option's numbers, ``--threads`` beside every ``--device``.

At the start they give a sign of life. Options are made when they are needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command_from_info
from typer.models import CommandInfo

from voiceattack.cli.completion import complete
from voiceattack.cli.help import show_command, show_commands
from voiceattack.cli.progress import began
from voiceattack.cli.threads import use_threads
from voiceattack.numbers import usable

__all__ = ["Command", "Program", "grouped"]


LONG = ("export", "merge", "report", "speak")
"""Commands that load no victim and take long all the same."""


class Program(TyperGroup):
    """The program: its commands, by groups in ``--help``."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        show_commands(self, ctx)


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
            self._given, self.callback = _with_threads(whole.params), whole.callback
        return self._given

    @params.setter
    def params(self, params: list[Any]) -> None:
        self._given = _with_threads(params)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help, the options by panels, and examples."""
        show_command(self, ctx)

    def invoke(self, ctx: Any) -> Any:
        """Run it, after a look at its options; heavy modules are imported after the sign of life."""
        for param in self.params:
            given = ctx.params.get(str(param.name))
            for value in given if isinstance(given, (list, tuple)) else (given,):
                if isinstance(value, (int, float)) and not usable(value):
                    raise typer.BadParameter(f"{str(value)[:20]} is not a number that can be used here", ctx=ctx, param=param)
        if (threads := ctx.params.pop("threads", None)) is not None:
            use_threads(threads)
        self._begin(ctx.params)
        return super().invoke(ctx)

    def _begin(self, given: dict[str, Any]) -> None:
        """Show that it began. Off a terminal only commands that take long say so: what lists or compares is soon heard."""
        named = given.get("victim")
        if not named:
            option = next((param for param in self.params if param.name == "victim"), None)
            default = getattr(option, "show_default", None)
            named = default if isinstance(default, str) and " " not in default else ""  # it may be in words: "who was attacked"
        which = named if isinstance(named, str) else ", ".join(named)
        began(f"loading {which}".strip(), quiet=bool(given.get("quiet")), line="device" in given or self.name in LONG)


def _threads(
    threads: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Cores to compute on.", show_default="OMP_NUM_THREADS, or all")
    ] = None,
) -> None: ...


def _with_threads(params: list[Any]) -> list[Any]:
    """The options, whose values a shell completes, with ``--threads`` after ``--device``, where that is one of them."""
    for param in params:
        complete(param)
    names = [param.name for param in params]
    if "device" not in names or "threads" in names:
        return params
    place = names.index("device") + 1
    info = CommandInfo(callback=_threads)
    own = get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None).params
    return [*params[:place], *(param for param in own if param.name == "threads"), *params[place:]]


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
