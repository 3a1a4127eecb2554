"""What the commands share: where they print, how they read options."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from voiceattack.cli.progress import hush, progress
from voiceattack.commands import command_line, param_value
from voiceattack.errors import SpecError
from voiceattack.numbers import LARGEST, number, numbers, usable
from voiceattack.progress import showing
from voiceattack.unicode_text import visible

if TYPE_CHECKING:
    from rich.console import Console

    from voiceattack.runs.run import Run

__all__ = [
    "CacheOption",
    "DeviceOption",
    "InputsArgument",
    "OutputOption",
    "QuietOption",
    "RunArgument",
    "TermsOption",
    "TrustOption",
    "coloured",
    "distinct",
    "formats_of",
    "hold",
    "let_go",
    "noise_levels",
    "numbers",
    "parse_params",
    "progress",
    "say",
    "say_next",
    "stdout",
    "tell_warnings",
    "tell_writer",
    "unheard",
    "warn",
    "write_reports",
]

InputsArgument = Annotated[list[str], typer.Argument(metavar="INPUT", help="Audio files, folders or manifests.")]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Run directory.")]

CacheOption = Annotated[
    Path | None,
    typer.Option("--cache", metavar="DIR", help="Keep what black boxes answer in DIR, and ask nothing that it holds."),
]
DeviceOption = Annotated[str | None, typer.Option("--device", help="cpu, cuda or cuda:N; default: CUDA when there.")]
OutputOption = Annotated[
    list[Path] | None,
    typer.Option("--output", "-o", help="Also write the results here, as the suffix says: .html, .md, .json, .csv. Repeatable."),
]
TermsOption = Annotated[
    str | None,
    typer.Option("--critical-terms", metavar="LIST", help="Words that must be heard right: a,b,c or a file with one a line."),
]
TrustOption = Annotated[
    bool,
    typer.Option("--trust", help="Load the victims that the file names, though they run programs or send to servers."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]


_held = contextlib.ExitStack()

Colour = Literal["green", "yellow", "red"]
COLOURS: dict[Colour, int] = {"red": 31, "green": 32, "yellow": 33}
SNR_RANGE = (-100.0, 200.0)
"""dB; beyond it nothing is left of the sound, or of the noise."""


def stdout() -> Console:
    """The console of tables; as wide as the terminal, and wide enough in a pipe."""
    hush()
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 160, highlight=False, soft_wrap=False)


def say(text: str, *, mark: str = "", quiet: bool = False) -> None:
    """One line on stdout, after a ``mark`` of :func:`coloured`."""
    if not quiet:
        hush()
        print(mark + visible(text), flush=True)


def unheard() -> None:
    """Print no more: who read our output has left (``| head``)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def coloured(word: str, colour: Colour) -> str:
    """A word in a colour on a terminal; as it is elsewhere, and where ``NO_COLOR`` is set (see no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not sys.stdout.isatty():
        return word
    return f"\x1b[1;{COLOURS[colour]}m{word}\x1b[0m"


def say_next(why: str, *words: str | Path, quiet: bool = False) -> None:
    """The command that comes next, as a line to copy; what it is for follows as a comment of the shell."""
    say(f"next: {command_line(*words)}  # {why}", quiet=quiet)


def warn(text: str) -> None:
    """One line on stderr."""
    hush()
    print(f"voiceattack: {visible(' '.join(text.split()))}", file=sys.stderr, flush=True)


def tell_warnings(place: object, warnings: Sequence[str], *, quiet: bool = False) -> None:
    """What loading a clip had to say, one line on stderr each."""
    for line in () if quiet else warnings:
        warn(f"{place}: note: {line}")


def noise_levels(text: str) -> list[float | None]:
    """``"clean,20,10"`` of --snr-db: dB, None for ``clean``.

    Raises:
        SpecError: one is no number, or out of range.
    """
    words = [word.strip() for word in text.split(",")]
    return [None if word == "clean" else number(word, "--snr-db", *SNR_RANGE) for word in words]


def distinct(specs: Sequence[str]) -> list[str]:
    """Victims as the user named them, each once; a line on stderr for one named more often."""
    named = [spec.strip() for spec in specs]
    found = list(dict.fromkeys(named))
    for spec in found:
        if (count := named.count(spec)) > 1:
            warn(f"victim {spec} is named {count} times and taken once")
    return found


def hold(folder: Path) -> None:
    """Let no other process write ``folder`` until this command ends: what it crafts, hears and reports belongs together.

    Raises:
        RunError: another process writes it.
    """
    from voiceattack.locks import locked

    _held.enter_context(locked(folder))


def tell_writer(run: Path) -> None:
    """A line when another process is writing ``run``, which is about to be read."""
    from voiceattack.locks import holder_of

    if (holder := holder_of(run)) is not None:
        warn(f"note: {run} is being written by {holder}; what is read here is what was finished by now")


def let_go() -> None:
    """End what :func:`hold` began."""
    _held.close()


def parse_params(pairs: Sequence[str] | None) -> dict[str, Any]:
    """``["steps=20", "loss=ce"]`` as ``{"steps": 20, "loss": "ce"}``.

    Raises:
        SpecError: a pair without ``=``, or a name given twice.
    """
    params: dict[str, Any] = {}
    for pair in pairs or ():
        name, mark, text = pair.partition("=")
        if not mark or not name:
            raise SpecError(f"--param {pair!r} must read name=value, for example --param steps=20")
        if name in params:
            raise SpecError(f"--param {name} is given twice; give it once")
        params[name] = param_value(text)
        if not _usable(params[name]):
            raise SpecError(f"--param {pair[:60]!r}: infinite, NaN or beyond {LARGEST}; give a smaller, finite number")
    return params


def _usable(value: Any) -> bool:
    """Whether all numbers in a value of JSON are ones that libraries can take."""
    if isinstance(value, (list, dict)):
        return all(map(_usable, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, (int, float)) or usable(value)


def formats_of(outputs: Sequence[Path] | None) -> dict[Path, str]:
    """The report format of each output file, from its suffix.

    Raises:
        UnknownNameError: no such format.
    """
    if not outputs:
        return {}
    from voiceattack.report import FORMATS

    return {path: FORMATS.entry(path.suffix.removeprefix(".").lower() or path.name).name for path in outputs}


def write_reports(run: Run, formats: Sequence[str], outputs: dict[Path, str], *, quiet: bool = False) -> list[Path]:
    """Render the run's reports inside it and copy those asked for elsewhere, shown meanwhile; the paths to name to the user.

    Raises:
        RunError: a file cannot be written.
    """
    with progress("writing the report", quiet=quiet) as on_progress, showing(on_progress):
        return _write_reports(run, formats, outputs)


def _write_reports(run: Run, formats: Sequence[str], outputs: dict[Path, str]) -> list[Path]:
    from voiceattack.files import copy_whole, writing
    from voiceattack.report import ALONE, READ_ONLY, check_formats, render

    check_formats(run, outputs.values())
    apart = ALONE if os.access(run.path, os.W_OK) else READ_ONLY
    alone = {path: name for path, name in outputs.items() if name in apart.names()}
    wanted = list(dict.fromkeys([*formats, *(name for path, name in outputs.items() if path not in alone)]))
    written = dict(zip(wanted, render(run, wanted), strict=True))
    for path, name in outputs.items():
        target = run.output(path)
        if path in alone:
            apart.get(name)(run, target)
        elif not (target.exists() and target.samefile(written[name])):
            with writing(path, f"make room or choose another file, then: {command_line('report', run.path)}"):
                copy_whole(written[name], target)
    return [*(written[name] for name in formats), *outputs]
