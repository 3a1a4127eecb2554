"""How long a victim took over an artefact and over its clean clip, and how much it wrote: ``timing`` in results.jsonl.

Times differ from one evaluation to the next; nothing that tells results apart (fingerprints, digests) reads them.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from voiceattack.runs.record_types import Count, Record, Text

__all__ = ["Timing", "timing_of"]

Seconds = Annotated[float, Field(ge=0)] | None


class Timing(Record):
    """Of one pair as one victim heard it.

    Attributes:
        seconds, clean_seconds: that one hearing took; None where it has no time of its own, for the reasons in ``note``.
        rtf, clean_rtf: real-time factor: seconds of hearing a second of audio.
        tokens, clean_tokens: of text that the victim wrote; None where it does not tell.
        note: why a time is missing.
    """

    seconds: Seconds = None
    clean_seconds: Seconds = None
    rtf: Seconds = None
    clean_rtf: Seconds = None
    tokens: Count | None = None
    clean_tokens: Count | None = None
    note: Text | None = None

    @property
    def latency_ratio(self) -> float | None:
        """Seconds over those of the clean clip; None where either is missing."""
        return self.seconds / self.clean_seconds if self.seconds is not None and self.clean_seconds else None

    @property
    def tokens_ratio(self) -> float | None:
        """Tokens over those of the clean clip, of which no token counts as one; None where either is missing."""
        return None if self.tokens is None or self.clean_tokens is None else self.tokens / max(1, self.clean_tokens)


def timing_of(row: object) -> Timing | None:
    """The ``timing`` of a result; None in runs of versions that did not take it, and where nothing was heard."""
    told: Any = getattr(row, "timing", None)
    return None if told is None else Timing.model_validate(told)
