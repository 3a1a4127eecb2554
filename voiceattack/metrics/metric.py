"""What a metric declares of itself: how it is computed, what it is called, and which tables show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

__all__ = ["EVERYWHERE", "Column", "Metric", "Place"]

Place = Literal[
    "results", "summary", "figures", "console", "html", "examples", "size", "list", "facts", "export", "datasheet", "gates", "at"
]
EVERYWHERE: frozenset[Place] = frozenset(get_args(Place))
OF_MEDIANS: frozenset[Place] = frozenset({"figures", "console", "html"})
"""Tables that show what summary.json holds."""


@dataclass(frozen=True)
class Column:
    """What differs in one table: its heading, its decimals; None is as everywhere."""

    heading: str | None = None
    digits: int | None = None


@dataclass(frozen=True)
class Metric:
    """A metric and its columns; every table of results reads these declarations.

    Attributes:
        name: its key in results.jsonl, under which it is registered too; ``NAME_median`` in summary.json and in gates.
        function: takes the clean and the adversarial signal, float (samples,) at 16 kHz; of ``transcripts`` the normalised
            reference and transcript; of ``terms`` the raw reference and transcript, the critical terms and the language. Gives
            a number, or raises ValueError, with the reason, where it is undefined.
        label: what readers call it.
        of: what it measures.
        over: ``clips``, so that a group's figure is its median, or the whole ``corpus``: such rates come with intervals and
            clean values, so that :mod:`voiceattack.evaluate.summary` and its tables know them by name.
        unit: follows a value, ``""`` for none.
        heading: of columns; label and unit when left out.
        digits: decimals shown.
        meaning: one sentence for who has never met it, which pages show on hover.
        better: which values are, of the perturbed sound; ``neither`` where nobody can say.
        shows: where it is seen. ``results``: in every line of results.jsonl, null where nothing was measured (elsewhere only
            where it was); ``summary``: its median; ``figures``, ``console``, ``html``: the tables of figures of report.md, the
            terminal and report.html; ``examples``, ``size``: the table and the line of an example in report.md; ``list``,
            ``facts``: the list of examples of report.html, and an example opened; ``export``, ``datasheet``: fields of what is
            exported, and their range; ``gates``: gates on ``NAME_median``; ``at``: their ``at NAME >= ...``. Those of ``terms``
            also stand in the reports' section on critical terms when they are in ``summary``.
        columns: what differs in one of these.
    """

    name: str
    function: Callable[..., float]
    label: str
    of: Literal["signals", "transcripts", "terms"] = "signals"
    over: Literal["clips", "corpus"] = "clips"
    unit: str = ""
    heading: str = ""
    digits: int = 2
    meaning: str = ""
    better: Literal["higher", "lower", "neither"] = "neither"
    shows: frozenset[Place] = EVERYWHERE
    columns: Mapping[Place, Column] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if unknown := sorted(self.shows - EVERYWHERE):
            raise ValueError(f"metric {self.name}: no table {unknown[0]!r}; there are: {', '.join(get_args(Place))}")
        if self.over == "clips" and self.shows & OF_MEDIANS and "summary" not in self.shows:
            raise ValueError(f"metric {self.name}: {min(self.shows & OF_MEDIANS)} shows medians, so 'summary' must be there too")

    def __call__(self, *args: Any) -> float:
        """As ``function``."""
        return self.function(*args)

    @property
    def median(self) -> str:
        """Its key in summary.json, and its figure in gates."""
        return f"{self.name}_median"

    def heading_in(self, place: Place) -> str:
        """Its heading in a table."""
        own = self.columns.get(place, Column()).heading
        return own if own is not None else self.heading or f"{self.label} {self.unit}".strip()

    def digits_in(self, place: Place) -> int:
        """Its decimals there."""
        own = self.columns.get(place, Column()).digits
        return self.digits if own is None else own
