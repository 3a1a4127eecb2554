"""Pictures: what every drawing function has in common."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from voiceattack.files import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["save_picture", "without_mathtext"]

METADATA = {"Software": "voiceattack"}
P = ParamSpec("P")
R = TypeVar("R")


def without_mathtext(draw: Callable[P, R]) -> Callable[P, R]:
    """Let a function that draws show names as they are: matplotlib takes dollar signs in a spec, a file's name or a command for
    mathematics, and fails on most."""

    @wraps(draw)
    def plain(*args: P.args, **kwargs: P.kwargs) -> R:
        import matplotlib

        with matplotlib.rc_context({"text.parse_math": False}):
            return draw(*args, **kwargs)

    return plain


def save_picture(figure: Figure, out: Path) -> None:
    """Write a figure as PNG, whole or not at all; its folder is made. Raises OSError when the disk refuses."""
    with whole_file(out) as file:
        figure.savefig(file, format="png", metadata=METADATA)
