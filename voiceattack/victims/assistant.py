"""``assistant:home?asr=SPEC&wake=SPEC&entities=FILE``: wake word, recogniser and intents as one victim that acts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from voiceattack.audio import Batch
from voiceattack.errors import SpecError
from voiceattack.victims import intents
from voiceattack.victims.base import AttackLoss, DifferentiableVictim, LossConfig, Search, Transcript, Victim
from voiceattack.victims.intent import Intent

__all__ = ["AssistantVictim", "WhiteBoxAssistant", "load"]


class AssistantVictim(Victim):
    """Hears as its recogniser does, and acts as its intents say; hears nothing in a clip in which its wake word is not heard.

    The transcript's ``details["action"]`` is the action in words. The wake word's clip is the whole clip: detector and
    recogniser hear the same audio.

    Args:
        asr: the recogniser.
        interpreter: what acts on its text.
        wake: the detector that must hear its phrase first, or None.
    """

    capabilities = frozenset({"hears", "acts"})

    def __init__(self, asr: Victim, interpreter: Victim, wake: Victim | None = None) -> None:
        self.asr, self.interpreter, self.wake = asr, interpreter, wake
        self.max_seconds, self.mute_text, self.language = asr.max_seconds, asr.mute_text, asr.language
        self.costly = asr.costly

    def interpret(self, text: str) -> Intent:
        """The action of one sentence."""
        action: Intent = getattr(self.interpreter, "interpret")(text)  # noqa: B009
        return action

    def transcribe(self, batch: Batch) -> list[Transcript]:
        woken = [True] * len(batch) if self.wake is None else [bool(each.text) for each in self.wake.transcribe(batch)]
        heard = []
        for transcript, awake in zip(self.asr.transcribe(batch), woken, strict=True):
            text = transcript.text if awake else ""
            details = {**(transcript.details if awake else {}), "woken": awake, "action": str(self.interpret(text))}
            heard.append(Transcript(text, details))
        return heard

    def describe(self) -> dict[str, Any]:
        parts = {"asr": self.asr, "intents": self.interpreter, **({} if self.wake is None else {"wake": self.wake})}
        return {**super().describe(), **{name: part.describe() for name, part in parts.items()}}


class WhiteBoxAssistant(AssistantVictim, DifferentiableVictim):
    """The same over a differentiable recogniser, whose losses it lends to attacks."""

    capabilities = frozenset({"hears", "acts", "scores", "differentiates"})
    asr: DifferentiableVictim

    @property
    def device(self) -> torch.device:
        return self.asr.device

    def loss(self, batch: Batch, texts: Sequence[str]) -> Tensor:
        return self.asr.loss(batch, texts)

    def score(self, batch: Batch, texts: Sequence[str]) -> Tensor:
        return self.asr.score(batch, texts)

    def attack_loss(self, batch: Batch, texts: Sequence[str], config: LossConfig) -> AttackLoss:
        return self.asr.attack_loss(batch, texts, config)

    def search(self, clean: Batch) -> Search:
        return self.asr.search(clean)

    def check_target(self, text: str) -> None:
        self.asr.check_target(text)

    def target_variants(self, text: str) -> list[str]:
        return self.asr.target_variants(text)


def load(rest: str, options: dict[str, str], device: torch.device, load_one: Callable[[str, str], Victim]) -> AssistantVictim:
    """The assistant of ``home`` or of a folder of sentences; ``asr`` is ``whisper-tiny.en`` unless named.

    Raises:
        SpecError: unknown options; MissingExtraError, VictimError as its parts do.
    """
    known = ("asr", "entities", "language", "wake")
    if unknown := set(options) - set(known):
        raise SpecError(f"assistant: unknown option {sorted(unknown)[0]!r}; options: {', '.join(known)}")
    spec = options.get("asr", "whisper-tiny.en")
    asr = load_one(spec, str(device))
    if "hears" not in asr.capabilities:
        raise SpecError(f"assistant: asr={spec} hears nothing; name a recogniser")
    interpreter = intents.load(rest, {name: options[name] for name in ("entities", "language") if name in options}, device)
    interpreter.spec = f"intents:{rest}"
    wake = load_one(options["wake"], str(device)) if "wake" in options else None
    kind = WhiteBoxAssistant if isinstance(asr, DifferentiableVictim) else AssistantVictim
    return kind(asr, interpreter, wake)
