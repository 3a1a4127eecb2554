"""Time as a figure: what one hearing took, and what a group of results took together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from voiceattack.audio.clips import Batch
from voiceattack.metrics.ranks import p50, p95
from voiceattack.runs.records import Result
from voiceattack.runs.timing import Timing, timing_of
from voiceattack.victims.base import Transcript, Victim

__all__ = ["FIGURES", "HEARING_KIND", "Hearing", "Stopwatch", "of_pair", "summarize_time"]

WARM_UP = "the first hearing after loading is left out"
CACHED = "an answer out of a cache has no time of its own"
TOGETHER = "clips heard together (--batch-size) have no time of their own"


@dataclass(frozen=True)
class Hearing:
    """What was heard of one file, and the seconds that it took; None with the reason in ``note``."""

    said: Transcript
    audio_seconds: float = 0.0
    seconds: float | None = None
    note: str | None = None

    @property
    def rtf(self) -> float | None:
        """Real-time factor: seconds of hearing a second of audio; None without a time or a sound."""
        return self.seconds / self.audio_seconds if self.seconds is not None and self.audio_seconds else None


HEARING_KIND = TypeAdapter(Hearing)


class Stopwatch:
    """Asks a victim, and takes its time; the first answer after loading warms it up and has none."""

    def __init__(self, victim: Victim) -> None:
        self.victim = victim
        self._warm = False

    def hear(self, batch: Batch) -> list[Hearing]:
        """The victim's answers, one a clip; raises whatever the victim raises."""
        began = time.perf_counter()
        heard = self.victim.transcribe(batch)
        took = time.perf_counter() - began
        lengths = (batch.lengths / batch.sample_rate).tolist()
        found = [self._timed(said, length, took, len(batch)) for said, length in zip(heard, lengths, strict=True)]
        self._warm = self._warm or any(not said.remembered for said in heard)
        return found

    def _timed(self, said: Transcript, length: float, took: float, together: int) -> Hearing:
        note = CACHED if said.remembered else WARM_UP if not self._warm else TOGETHER if together > 1 else None
        return replace(Hearing(said, length, note=note), seconds=None if note else took)


def of_pair(clean: Hearing, heard: Hearing) -> dict[str, Any]:
    """``timing`` of a line of results.jsonl."""
    notes = dict.fromkeys(note for note in (clean.note, heard.note) if note)
    return Timing(
        seconds=heard.seconds,
        clean_seconds=clean.seconds,
        rtf=heard.rtf,
        clean_rtf=clean.rtf,
        tokens=heard.said.tokens,
        clean_tokens=clean.said.tokens,
        note="; ".join(notes) or None,
    ).model_dump()


FIGURES: dict[str, tuple[Callable[[Timing], float | None], Callable[[Sequence[float]], float]]] = {
    "seconds_p50": (lambda one: one.seconds, p50),
    "seconds_p95": (lambda one: one.seconds, p95),
    "rtf_p50": (lambda one: one.rtf, p50),
    "rtf_p95": (lambda one: one.rtf, p95),
    "clean_rtf_p50": (lambda one: one.clean_rtf, p50),
    "clean_rtf_p95": (lambda one: one.clean_rtf, p95),
    "latency_ratio_p50": (lambda one: one.latency_ratio, p50),
    "latency_ratio_p95": (lambda one: one.latency_ratio, p95),
    "tokens_ratio_p50": (lambda one: one.tokens_ratio, p50),
    "tokens_ratio_max": (lambda one: one.tokens_ratio, max),
}
"""Each figure of time: what of a result it is about, and which of those values it is."""


def summarize_time(rows: Sequence[Result]) -> dict[str, Any]:
    """``{"time": {...}}`` of a group's results: :data:`FIGURES`, None where nothing has one, and ``n``, the results with a time.

    Empty where neither a time nor a number of tokens is known.
    """
    told = [one for row in rows if not row.failed and (one := timing_of(row)) is not None]
    found: dict[str, Any] = {"n": sum(one.seconds is not None for one in told)}
    for name, (value, pick) in FIGURES.items():
        known = [number for one in told if (number := value(one)) is not None]
        found[name] = float(pick(known)) if known else None
    return {"time": found} if any(found.values()) else {}
