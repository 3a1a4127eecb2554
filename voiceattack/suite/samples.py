"""What was heard, as gates, reports and comparisons read it: one sample an artefact, or a clean clip, and victim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Kind", "Sample", "of_kind"]

Kind = Literal["attack", "control", "clean", "no-speech"]


@dataclass(frozen=True)
class Sample:
    """One thing heard by one victim.

    Attributes:
        kind: an artefact (stages of it too), its noise control, a clean clip, or a clip without speech.
        victim: name in the suite.
        attack: label of the attack; empty for clean clips.
        entry: name of the attack before its grid; ``registered`` is the registered one.
        seed: of the repetition; None for clean clips, which all repetitions share.
        tags: of the clip.
        cell: id of its run directory below ``cells/``; empty for clean clips.
        clip: what ties attempts on the same clip together.
        row: a line of results.jsonl, or of ``heard/``.
    """

    kind: Kind
    victim: str
    attack: str
    entry: str
    registered: str
    seed: int | None
    tags: frozenset[str]
    cell: str
    clip: str
    row: dict[str, Any]

    @property
    def id(self) -> str:
        """Of the example."""
        return str(self.row["id"])

    @property
    def final(self) -> bool:
        """Whether it is an attack's answer, not one met on the way."""
        return self.row.get("stage_of") is None

    @property
    def file(self) -> str | None:
        """The audio, relative to the suite's run directory."""
        audio = self.row.get("audio")
        return None if audio is None else f"cells/{self.cell}/{audio}" if self.cell else str(audio)


def of_kind(samples: Sequence[Sample], kind: Kind) -> list[Sample]:
    """Those of one kind."""
    return [sample for sample in samples if sample.kind == kind]
