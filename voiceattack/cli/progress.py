"""Signs of life on stderr: that work began, how far it is and how long it will take. Nothing of it goes to stdout.

On a terminal a spinner and bars, which are gone when the work is done; elsewhere, and in CI, a line every 30 seconds.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from voiceattack.progress import Progress
from voiceattack.unicode_text import visible

if TYPE_CHECKING:
    from rich.live import Live

__all__ = ["PACE", "Pace", "began", "hush", "progress"]

EVERY_SECONDS = 30.0


@dataclass
class Pace:
    """When the next line is due. One for the whole command, so that of many short tasks one is told now and then too.

    Attributes:
        every: seconds from line to line.
        last: when the last one came, or the command began; of :func:`time.monotonic`.
        waits: whether there is a wait to explain as the command begins: heavy modules are still to be imported. Not so in a
            second call of :func:`voiceattack.cli.main` in one process.
    """

    every: float = EVERY_SECONDS
    last: float = field(default_factory=time.monotonic)
    waits: bool = True

    def begin(self) -> None:
        """A command begins."""
        self.last, self.waits = time.monotonic(), "torch" not in sys.modules

    def wait(self) -> float:
        """Seconds until the next line, >= 0."""
        return max(0.0, self.last + self.every - time.monotonic())


PACE = Pace()
"""Of the command that runs."""

_sign = contextlib.ExitStack()
"""What :func:`began` shows until :func:`hush`."""


def _on_terminal() -> bool:
    return sys.stderr.isatty() and not os.environ.get("CI")


def began(what: str, *, quiet: bool = False, line: bool = True) -> None:
    """Say at once that ``what`` began, before the heavy imports: until the next output a spinner on a terminal, lines elsewhere.

    Args:
        what: "loading whisper-tiny.en".
        quiet: say nothing.
        line: whether it is worth a line at once where there is no terminal.
    """
    hush()
    if quiet or not PACE.waits:
        return
    if _on_terminal():
        _sign.enter_context(_spinner(what))
        return
    if line:
        print(f"voiceattack: {visible(what)} ...", file=sys.stderr, flush=True)
    _sign.enter_context(_lines(what, PACE))


def _spinner(what: str) -> Live:
    from rich.console import Console
    from rich.live import Live
    from rich.markup import escape
    from rich.spinner import Spinner

    shown = Spinner("dots", f"{escape(visible(what))} ...")
    # Rich writes what is printed meanwhile to its own console, stderr: right only where stdout is the same terminal.
    return Live(shown, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty(), refresh_per_second=8)


def hush() -> None:
    """End what :func:`began` shows: something else is about to be printed."""
    _sign.close()


@contextlib.contextmanager
def progress(task: str, *, quiet: bool, pace: Pace = PACE) -> Iterator[Progress | None]:
    """Show how far ``task`` is: a callback ``(done, total, label)``; None under --quiet.

    Args:
        task: what is being done, for people.
        quiet: show nothing.
        pace: of the lines where there is no terminal.
    """
    hush()
    if quiet:
        yield None
    elif _on_terminal():
        with _bar(task) as tell:
            yield tell
    else:
        with _lines(task, pace) as tell:
            yield tell


@contextlib.contextmanager
def _bar(task: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = [TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()]
    columns.append(TextColumn("{task.fields[label]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty()) as bar:
        shown = bar.add_task(escape(visible(task)), label="", total=None)
        yield lambda done, total, label: bar.update(shown, completed=done, total=total or None, label=escape(visible(label)))


@contextlib.contextmanager
def _lines(task: str, pace: Pace) -> Iterator[Progress]:
    """A thread says how far it is when a line is due, also while one step takes longer than that."""
    state, over = _State(task), threading.Event()
    thread = threading.Thread(target=_beat, args=(state.line, pace, over), daemon=True)
    thread.start()
    try:
        yield state.tell
    finally:
        over.set()
        thread.join()


def _beat(line: Callable[[], str], pace: Pace, over: threading.Event) -> None:
    while not over.wait(pace.wait()):
        pace.last = time.monotonic()
        with contextlib.suppress(OSError, ValueError):  # nobody reads stderr any more
            print(f"voiceattack: {line()}", file=sys.stderr, flush=True)


@dataclass
class _State:
    task: str
    label: str = ""
    began: float = field(default_factory=time.monotonic)
    first: tuple[float, float] | None = None
    """Share done when first told, and when: what an earlier call did says nothing of the time that is left."""
    share: float = 0.0

    def tell(self, done: int, total: int, label: str) -> None:
        self.share, self.label = done / total if total else 0.0, label
        if self.first is None or self.share < self.first[0]:
            self.first = (self.share, time.monotonic())

    def line(self) -> str:
        """Such as ``attacking: 40% after 2 min, about 3 min left; clip 3 of 5: lamp``."""
        now = time.monotonic()
        if self.first is None:
            return f"{visible(self.task)}: {_span(now - self.began)} so far"
        told = f"{visible(self.task)}: {self.share:.0%} after {_span(now - self.began)}"
        if self.share > self.first[0]:
            left = (now - self.first[1]) / (self.share - self.first[0]) * (1 - self.share)
            told += f", about {_span(left)} left"
        return f"{told}; {visible(self.label)}" if self.label else told


def _span(seconds: float) -> str:
    """Seconds for people, two figures at most: ``45 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
