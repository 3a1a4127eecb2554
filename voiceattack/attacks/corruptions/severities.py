"""The table of corruptions: what each severity is."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from voiceattack.attacks.corruptions import CORRUPTIONS
from voiceattack.errors import SpecError

__all__ = ["LEVELS", "Severities", "severities", "table"]

TABLE = Path(__file__).with_name("severities.csv")
LEVELS = (1, 2, 3, 4)


@dataclass(frozen=True)
class Severities:
    """One row: the value at severity 1 to 4, its unit, and what else must be known."""

    name: str
    values: tuple[float, float, float, float]
    unit: str
    note: str

    def at(self, severity: int) -> float:
        """The value at ``severity``, 1 to 4."""
        return self.values[severity - 1]

    @property
    def snr(self) -> bool:
        """Whether the severities are signal-to-noise ratios."""
        return self.unit == "dB SNR"


@lru_cache(maxsize=1)
def table() -> dict[str, Severities]:
    """The rows of ``severities.csv`` by name, in its order."""
    with TABLE.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {row["name"]: _row(row) for row in rows}


def _row(row: dict[str, str]) -> Severities:
    one, two, three, four = (float(row[f"severity_{level}"]) for level in LEVELS)
    return Severities(row["name"], (one, two, three, four), row["unit"], row["note"])


def severities(name: str) -> Severities:
    """The row of one corruption; one of a plug-in brings its own as the class attribute ``severities``.

    Raises:
        UnknownNameError: no such corruption.
        SpecError: it is a plug-in's and brings no severities.
    """
    found = table().get(name)
    if found is None:
        found = getattr(CORRUPTIONS.get(name), "severities", None)
        if not isinstance(found, Severities):
            raise SpecError(f"corruption {name!r} has no row in the table; give its class an attribute severities")
    return found
