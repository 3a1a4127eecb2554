"""What ``--help`` prints: panels of options with what they take, then examples; nothing is cut on a narrow terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from voiceattack.cli.examples import EXAMPLES
from voiceattack.cli.panels import COMMAND_GROUPS, PANELS, panel_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["show_command", "show_commands"]

WIDEST = 100
"""Columns; longer lines are hard to read."""
TAKES = {int: "N", float: "NUMBER", Path: "PATH", str: "TEXT"}
NAMES = {"victim": "VICTIM", "attack_name": "ATTACK", "device": "DEVICE"}
LONG_CHOICE = 24
"""Characters of choices that fit beside an option; more of them are said in its help."""


def show_command(command: Any, ctx: Any) -> None:
    """Print the help of one command."""
    console = _console()
    _introduction(console, command, _usage(command, ctx))
    params = [param for param in command.get_params(ctx) if not param.hidden]
    arguments = [param for param in params if param.param_type_name == "argument"]
    options = [param for param in params if param.param_type_name == "option"]
    panels: dict[str, list[Any]] = {"Arguments": arguments, "Options": [], **{title: [] for title in PANELS}}
    for param in options:
        panels[panel_of(param, len(options))].append(param)
    _panels(console, {title: [(_left(param), _right(param)) for param in inside] for title, inside in panels.items()})
    _examples(console, EXAMPLES.get(command.name or "", ()))


def show_commands(group: Any, ctx: Any) -> None:
    """Print the help of the program: its commands by groups."""
    from rich.padding import Padding
    from rich.text import Text

    console = _console()
    _introduction(console, group, group.get_usage(ctx))
    rows = {"Options": [(_left(param), _right(param)) for param in group.get_params(ctx) if not param.hidden]}
    for title, names in COMMAND_GROUPS.items():
        rows[title] = [(name, first_sentence(group.commands[name].help or "")) for name in names]
    _panels(console, rows)
    _examples(console, EXAMPLES[""])
    console.print(Padding(Text(group.epilog), (0, 1, 1, 1)))


def first_sentence(text: str) -> str:
    """The first sentence of a docstring, on one line."""
    return re.split(r"(?<=\.)\s", " ".join(text.partition("\n\n")[0].split()), maxsplit=1)[0]


def _console() -> Console:
    from rich.console import Console

    console = Console(highlight=False)
    console.width = min(console.width, WIDEST)
    return console


def _usage(command: Any, ctx: Any) -> str:
    """``Usage: voiceattack NAME [OPTIONS] INPUT...``; what may be left out stands in brackets."""
    words = [f"Usage: {ctx.command_path}", "[OPTIONS]"]
    for param in command.params:
        if param.param_type_name == "argument":
            name = _left(param).removesuffix("...") + "..." * (param.nargs != 1)
            words.append(name if param.required else f"[{name}]")
    return " ".join(words)


def _introduction(console: Console, command: Any, usage: str) -> None:
    from rich.padding import Padding
    from rich.text import Text

    console.print(Padding(Text(usage, style="bold"), (1, 1)))
    for paragraph in (command.help or "").split("\n\n"):
        console.print(Padding(Text(" ".join(paragraph.split())), (0, 1, 1, 1)))


def _panels(console: Console, rows: dict[str, list[tuple[str, str]]]) -> None:
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    left = min(max(len(first) for inside in rows.values() for first, _ in inside), console.width // 2 - 6)
    for title, inside in rows.items():
        if inside:
            table = Table.grid(padding=(0, 2, 0, 0), expand=True)
            table.add_column(width=left, overflow="fold")
            table.add_column(ratio=1, overflow="fold")
            for first, second in inside:
                table.add_row(_coloured(first), Text(second))
            console.print(Panel(table, title=title, title_align="left", border_style="dim"))


def _coloured(first: str) -> Text:
    from rich.text import Text

    name, mark, takes = first.partition(" ")
    return Text.assemble((name, "bold cyan"), mark, takes)


def _examples(console: Console, examples: Sequence[tuple[str, str]]) -> None:
    """Lines to copy: never wrapped here, for a shell would not read them as one."""
    from rich.text import Text

    if examples:
        console.print(Text(" Examples", style="bold"))
    for what, line in examples:
        console.print(Text(f"   # {what}", style="dim"), soft_wrap=True)
        console.print(Text("\n".join(f"   {part}" for part in line.split("\n"))), soft_wrap=True)
    console.print()


def _left(param: Any) -> str:
    """``--name, -n TAKES`` of an option, the name of an argument."""
    takes = _takes(param)
    if param.param_type_name == "argument":
        return str(param.metavar or param.name.upper())
    return f"{', '.join(sorted(param.opts, key=len, reverse=True))} {takes}".rstrip()


def _takes(param: Any) -> str:
    if getattr(param, "is_flag", False):
        return ""
    if param.metavar is not None:
        return str(param.metavar)
    if choices := _choices(param):
        return "|".join(choices) if len("|".join(choices)) <= LONG_CHOICE else "NAME"
    annotation = param.type_descriptor.annotation
    inside = next(iter(get_args(annotation)), annotation)
    return NAMES.get(param.name, TAKES.get(inside, "TEXT"))


def _choices(param: Any) -> list[str]:
    return [str(one.value if isinstance(one, Enum) else one) for one in param.type_descriptor.choices or ()]


def _right(param: Any) -> str:
    return "  ".join(_said(param))


def _said(param: Any) -> Iterable[str]:
    yield param.help or ""
    choices = _choices(param)
    if choices and (param.param_type_name == "argument" or len("|".join(choices)) > LONG_CHOICE):
        yield f"One of: {', '.join(choices)}."
    if param.required:
        yield "[required]"
    if (bounds := _bounds(param.min, param.max)) and not getattr(param, "is_flag", False):
        yield bounds
    if default := _default(param):
        yield f"[default: {default}]"


def _bounds(least: float | None, most: float | None) -> str:
    if least is None:
        return "" if most is None else f"[at most {most}]"
    if most is None:
        return f"[{least} or more]" if least else ""
    return f"[{least} to {most}]"


def _default(param: Any) -> str:
    if isinstance(param.show_default, str):
        return param.show_default
    if param.default is None or param.default == [] or not param.show_default or getattr(param, "is_flag", False):
        return ""
    return str(param.default.value if isinstance(param.default, Enum) else param.default)
