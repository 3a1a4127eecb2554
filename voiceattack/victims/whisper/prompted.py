"""Text that a recogniser of the Whisper family takes beside the audio: an initial prompt, or hot words."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

from voiceattack.audio.clips import Batch
from voiceattack.victims.base import Transcript

__all__ = ["PROMPT_KINDS", "PromptKind", "Prompted"]

PromptKind = Literal["initial-prompt", "hotwords"]
PROMPT_KINDS: tuple[PromptKind, ...] = ("initial-prompt", "hotwords")


@runtime_checkable
class Prompted(Protocol):
    """A victim that hears with a prompt.

    Both kinds stand before the first word, after ``<|startofprev|>``: an initial prompt in a recording's first window only, hot
    words in each.
    """

    spec: str
    language: str

    def transcribe_prompted(self, batch: Batch, prompt: str, kind: PromptKind) -> list[Transcript]:
        """As ``transcribe``, by the ordinary path, with ``prompt`` given as ``kind``; ``""`` is none.

        Raises:
            VictimError: the clip is too long for a prompt here, or the engine fails.
        """
        ...
