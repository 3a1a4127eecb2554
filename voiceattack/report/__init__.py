"""Reports of an evaluated run. One file and one registration line a format: a function ``render(run) -> Path``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from voiceattack.errors import RunError
from voiceattack.registry import Registry
from voiceattack.runs.run import Run

__all__ = ["ALONE", "FORMATS", "READ_ONLY", "check_formats", "render"]

FORMATS: Registry[Callable[[Run], Path]] = Registry("report format", group="voiceattack.formats")

FORMATS.add("md", "voiceattack.report.markdown:render", "Markdown with a waveform and spectrogram picture an example")
FORMATS.add(
    "html", "voiceattack.report.html.render:render", "a page to read and listen to: players, pictures, differences, no network"
)
FORMATS.add("json", "voiceattack.report.data:render_json", "what was asked, the summary and all results in one file")
FORMATS.add("csv", "voiceattack.report.data:render_csv", "one line a result")

TEXT_FORMATS = ("md", "html", "json", "csv")
"""What there is for a run of texts."""

ALONE: Registry[Callable[[Run, Path], Path]] = Registry("report format that needs other files beside it")
"""For formats whose file in the run refers to others there: a function that writes one that stands alone elsewhere."""

ALONE.add("html", "voiceattack.report.html.render:render_alone", "with the sounds inside")

READ_ONLY: Registry[Callable[[Run, Path], Path]] = Registry("report format that leaves the run as it is")
"""For runs that cannot be written: a function that writes a report elsewhere, with its pictures beside it."""

READ_ONLY.add("html", "voiceattack.report.html.render:render_alone", "with the sounds inside")
READ_ONLY.add("md", "voiceattack.report.markdown:render_at", "with plots/ beside it")
READ_ONLY.add("json", "voiceattack.report.data:render_json_at", "one file")
READ_ONLY.add("csv", "voiceattack.report.data:render_csv_at", "one file")


def check_formats(run: Run, formats: Iterable[str]) -> None:
    """Raise RunError when ``run`` is of texts and one of ``formats`` is not for these."""
    if run.request.get("kind") == "text" and (other := [name for name in formats if name not in TEXT_FORMATS]):
        raise RunError(f"{run.path}: a run of texts has no report {other[0]!r}; use one of {', '.join(TEXT_FORMATS)}")


def render(run: Run, formats: Sequence[str]) -> list[Path]:
    """Write ``report.<format>`` into the run for each format; the paths, in order.

    Raises:
        UnknownNameError: no such format.
        RunError: the run is not evaluated yet, cannot be written, or is of texts, which have no such report.
    """
    check_formats(run, formats)
    return [FORMATS.get(name)(run) for name in formats]
