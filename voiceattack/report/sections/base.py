"""A section of the reports: what it reads, and what it makes of that in Markdown and in HTML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from markupsafe import Markup

from voiceattack.runs.records import Result
from voiceattack.runs.run import Run

__all__ = ["BEFORE_EXAMPLES", "Material", "Section"]

T = TypeVar("T")
BEFORE_EXAMPLES = 100
"""Where sections of other packages stand, in the order in which they were registered."""


@dataclass(frozen=True)
class Material:
    """What sections read.

    Attributes:
        run: whose report it is.
        every: its results, those met on the way to others (stages) included.
        summary: of them.
        folder: where the report is written; pictures of the Markdown report go into ``plots/`` there.
    """

    run: Run
    every: list[Result]
    summary: dict[str, Any]
    folder: Path
    _made: dict[Callable[[Any], Any], Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def rows(self) -> list[Result]:
        """Artefacts and noise controls, without stages."""
        return [row for row in self.every if not row.is_stage]

    def once(self, compute: Callable[[Material], T]) -> T:
        """``compute(self)``, computed once however many sections ask."""
        if compute not in self._made:
            self._made[compute] = compute(self)
        found: T = self._made[compute]
        return found


@dataclass(frozen=True)
class Section:
    """One section, registered in :data:`voiceattack.report.sections.SECTIONS`.

    Attributes:
        markdown: its Markdown, which begins with an empty line and a heading; ``""`` where there is nothing to say of the run.
            None: it is not in report.md.
        html: its ``<section>``, escaped (:func:`voiceattack.report.templates.fill` escapes); ``""`` and None likewise.
        markdown_place, html_place: sections stand in the order of these numbers.
    """

    markdown: Callable[[Material], str] | None = None
    html: Callable[[Material], Markup] | None = None
    markdown_place: int = BEFORE_EXAMPLES
    html_place: int = BEFORE_EXAMPLES
