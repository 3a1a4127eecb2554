"""One check of every option's numbers, for all commands."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand

from voiceattack.numbers import usable

__all__ = ["Command"]


class Command(TyperCommand):
    """A command whose numbers are finite and small enough to count with: bounds alone let NaN through, which is in no order."""

    def invoke(self, ctx: Any) -> Any:
        """Run it, after a look at its options."""
        params: list[Any] = list(self.params)
        for param in params:
            given = ctx.params.get(str(param.name))
            for value in given if isinstance(given, (list, tuple)) else (given,):
                if isinstance(value, (int, float)) and not usable(value):
                    raise typer.BadParameter(f"{str(value)[:20]} is not a number that can be used here", ctx=ctx, param=param)
        return super().invoke(ctx)
