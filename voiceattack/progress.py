"""How far a piece of work is: one callback that who works calls and who shows gives; nothing here prints."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import TypeVar

__all__ = ["Progress", "each", "showing"]

T = TypeVar("T")

Progress = Callable[[int, int, str], None]
"""Called with (done, of, what is at hand): counts of whatever is counted, ``done`` never falling, and words for people."""

_shown: ContextVar[Progress | None] = ContextVar("voiceattack_progress", default=None)


@contextlib.contextmanager
def showing(on_progress: Progress | None) -> Iterator[None]:
    """Let :func:`each` tell ``on_progress`` meanwhile, for work that is reached through a registry, whose functions (sections and
    formats of reports, writers of corpora) take no callback."""
    before = _shown.set(on_progress)
    try:
        yield
    finally:
        _shown.reset(before)


def each(
    items: Iterable[T], doing: str, name: Callable[[T], str], on_progress: Progress | None = None, *, of: int | None = None
) -> Iterator[T]:
    """The items, one by one, each told as it is begun, as ``drawing 3 of 8: lamp``.

    Args:
        items: to be worked on.
        doing: what is done with them.
        name: of an item.
        on_progress: is told; None for what :func:`showing` gave, if anything.
        of: how many there are; may be left out of a sequence, which knows.
    """
    total = of if of is not None else len(items) if isinstance(items, Sequence) else 0
    for index, item in enumerate(items):
        if (tell := on_progress or _shown.get()) is not None:
            tell(index, total, f"{doing} {index + 1} of {total}: {name(item)}")
        yield item
