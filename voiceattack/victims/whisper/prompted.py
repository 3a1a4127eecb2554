"""Text that a recogniser of the Whisper family takes beside the audio: an initial prompt, or hot words."""

from __future__ import annotations

from typing import Literal, Protocol, TypeGuard

from voiceattack.audio.clips import Batch
from voiceattack.errors import AttackError
from voiceattack.victims.base import Transcript, Victim

__all__ = ["PROMPT_KINDS", "PromptKind", "Prompted", "prompted", "takes_prompt"]

PromptKind = Literal["initial-prompt", "hotwords"]
PROMPT_KINDS: tuple[PromptKind, ...] = ("initial-prompt", "hotwords")


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


def takes_prompt(victim: Victim) -> TypeGuard[Prompted]:
    """Whether the victim hears with a prompt."""
    return callable(getattr(victim, "transcribe_prompted", None))


def prompted(victim: Victim) -> Prompted:
    """The victim as one that hears with a prompt.

    Raises:
        AttackError: it takes none.
    """
    if takes_prompt(victim):
        return victim
    raise AttackError(f"victim {victim.spec!r} takes no prompt; name whisper-tiny.en, hf:<id> or faster-whisper:<model>")
