"""What was heard, as gates, reports and comparisons read it: one sample an artefact, or a clean clip, and victim."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from voiceattack.metrics.text import normalize
from voiceattack.runs.provenance import slug
from voiceattack.runs.records import Result

__all__ = ["HeardClip", "Kind", "Sample", "of_kind", "place"]

Kind = Literal["attack", "control", "clean", "no-speech"]


@dataclass(frozen=True)
class HeardClip:
    """A clean clip, or one without speech, as one victim heard it.

    Attributes:
        id, audio, source_sha256: of the clip.
        victim, language: who heard it, and its language.
        reference, hypothesis: what is said and what was heard; None where nobody wrote it down, or it could not be heard.
        words, wer: heard, after normalisation; WER is None without a reference.
        wake_ups: how often a wake word was heard; None for a victim without one.
        audio_seconds: length.
        error: why it could not be heard.
        seconds: that reading and hearing it took, whenever that was; None in runs of earlier versions.
    """

    id: str
    audio: str
    source_sha256: str
    victim: str
    language: str
    reference: str | None
    hypothesis: str | None
    words: int
    wer: float | None
    wake_ups: int | None
    audio_seconds: float | None
    error: str | None
    seconds: float | None = None

    @property
    def failed(self) -> bool:
        """Whether it could not be heard."""
        return self.error is not None

    @property
    def normalized_reference(self) -> str:
        """The words said, normalised as the victim's language asks; empty without any."""
        return normalize(self.reference or "", self.language)

    @property
    def normalized_hypothesis(self) -> str:
        """The words heard, normalised likewise."""
        return normalize(self.hypothesis or "", self.language)


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
        row: the result of an artefact or its noise, or the clip heard without one.
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
    row: Result | HeardClip

    @property
    def id(self) -> str:
        """Of the example."""
        return self.row.id

    @property
    def recording(self) -> str:
        """The clip without the attack on it: the same for all that was crafted of one recording."""
        return self.clip.removesuffix(f"-{slug(self.registered)}") if self.registered else self.clip

    @property
    def result(self) -> Result:
        """Of an artefact or its noise."""
        assert isinstance(self.row, Result)
        return self.row

    @property
    def heard(self) -> HeardClip:
        """Of a clean clip, or one without speech."""
        assert isinstance(self.row, HeardClip)
        return self.row

    @property
    def snr_db(self) -> float | None:
        """Of an artefact or its noise; None where it is undefined, and for a clean clip."""
        return self.row.snr_db if isinstance(self.row, Result) else None

    @property
    def final(self) -> bool:
        """Whether it is an attack's answer, not one met on the way."""
        return not (isinstance(self.row, Result) and self.row.is_stage)

    @property
    def file(self) -> str | None:
        """The audio, relative to the suite's run directory."""
        audio = self.row.audio
        return None if audio is None else f"cells/{self.cell}/{audio}" if self.cell else audio


def of_kind(samples: Sequence[Sample], kind: Kind) -> list[Sample]:
    """Those of one kind."""
    return [sample for sample in samples if sample.kind == kind]


def place(file: str | None, folder: Path) -> str:
    """Where a sample's file is played from here: in the suite's run directory, or where its own inputs lie."""
    inside = os.path.join(folder, file or "")
    return file if file and not os.path.exists(inside) and os.path.exists(file) else inside
