"""Reports of an evaluated run. One file and one registration line a format: a function ``render(run) -> Path``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from voiceattack.registry import Registry
from voiceattack.runs import Run

__all__ = ["FORMATS", "render"]

FORMATS: Registry[Callable[[Run], Path]] = Registry("report format", group="voiceattack.formats")

FORMATS.add("md", "voiceattack.report.markdown:render", "Markdown with a waveform and spectrogram picture an example")
FORMATS.add("json", "voiceattack.report.data:render_json", "what was asked, the summary and all results in one file")
FORMATS.add("csv", "voiceattack.report.data:render_csv", "one line a result")


def render(run: Run, formats: Sequence[str]) -> list[Path]:
    """Write ``report.<format>`` into the run for each format; the paths, in order.

    Raises:
        UnknownNameError: no such format.
        RunError: the run is not evaluated yet, or cannot be written.
    """
    return [FORMATS.get(name)(run) for name in formats]
