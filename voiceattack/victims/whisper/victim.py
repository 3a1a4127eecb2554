"""The Whisper family: one differentiable code path for the bundled weights and for Hugging Face models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from typing_extensions import Self

from voiceattack.audio.clips import Batch
from voiceattack.errors import TargetError
from voiceattack.victims.base import AttackLoss, DifferentiableVictim, LossConfig, LossSession, Transcript
from voiceattack.victims.pretrained import quiet_transformers
from voiceattack.victims.spellings import sentence_spellings
from voiceattack.victims.whisper.frontends import DecodingMode, features
from voiceattack.victims.whisper.longform import LongFormSession, hear_long, hear_stamped
from voiceattack.victims.whisper.model import MUTE_TEXT, WhisperModel
from voiceattack.victims.whisper.prompt import hear_prompted, refuse_timestamps
from voiceattack.victims.whisper.prompted import PromptKind
from voiceattack.victims.whisper.search import WhisperSession

__all__ = ["WhisperVictim"]

# What Whisper's English models write over silence and noise (Koenecke et al. 2024), the easiest to bring about first.
HALLUCINATIONS = ("Thank you.", "Thanks for watching!", "See you next time.", "you")
LONGEST_SECONDS = 300.0  # a search holds every window of a recording in memory at once


class WhisperVictim(DifferentiableVictim):
    """A Whisper-type encoder-decoder.

    Hearing is transformers' own ``generate`` (greedy, full 30 s window, the model's suppressed tokens); attacking uses the
    same weights teacher-forced, see :class:`~voiceattack.victims.whisper.model.WhisperModel`.

    Args:
        model: weights, tokens and modes.
        facts: JSON-safe facts for run.json.
        short_window: whether a search computes only the clip's own part of the window at each step.
    """

    max_seconds = LONGEST_SECONDS
    mute_text = MUTE_TEXT
    hallucinations = HALLUCINATIONS

    def __init__(self, model: WhisperModel, facts: dict[str, Any] | None = None, short_window: bool = True) -> None:
        self.model = model
        self._facts = facts or {}
        self.short_window = short_window

    def with_facts(self, facts: dict[str, Any]) -> Self:
        """The same, with further facts for run.json before the others."""
        self._facts = {**facts, **self._facts}
        return self

    @property
    def writes_on(self) -> bool:
        return self.short_window

    @property
    def device(self) -> torch.device:
        return self.model.device

    def describe(self) -> dict[str, Any]:
        modes = [mode.label for mode in self.model.modes]
        return {**super().describe(), "family": "whisper", "device": str(self.device), "hearings": modes, **self._facts}

    def transcribe(self, batch: Batch) -> list[Transcript]:
        if self.model.is_long(batch):
            return [self._whole(clip) for clip in batch.clips()]
        heard = {mode.label: self._hear(batch, mode) for mode in self.model.modes}
        plain = next(iter(heard.values()))
        if len(heard) == 1:
            return [Transcript(text, {"tokens": tokens, "most_tokens": self.model.most_tokens}) for text, tokens in plain]
        return [
            Transcript(
                text,
                {
                    "hypotheses": {label: said[index][0] for label, said in heard.items()},
                    "tokens": min(said[index][1] for said in heard.values()),
                    "most_tokens": self.model.most_tokens,
                },
            )
            for index, (text, _) in enumerate(plain)
        ]

    def _whole(self, clip: Tensor) -> Transcript:
        if len(clip) <= self.model.log_mel.samples:
            return self.transcribe(Batch.of([clip]))[0]
        text, windows = hear_long(self.model, clip.to(self.device, torch.float32))
        told = [{"seconds": window.frame / 100, "text": window.text} for window in windows]
        return Transcript(text, {"windows": told, "tokens": sum(window.tokens for window in windows)})

    def _hear(self, batch: Batch, mode: DecodingMode, told: dict[str, Any] | None = None) -> list[tuple[str, int]]:
        """Raw text of each clip, and how many tokens it took; ``told`` is another language or task."""
        model = self.model
        if mode.timestamps and told is None:
            return [hear_stamped(model, clip.to(self.device, torch.float32), mode) for clip in batch.clips()]
        with torch.no_grad(), quiet_transformers():
            mel = features(model.log_mel, batch.waveforms.to(self.device, torch.float32), batch.lengths, mode.frontend)
            tokens = model.network.generate(
                input_features=mel.to(model.network.dtype), do_sample=False, num_beams=1, **(told or model.generate_options)
            )
        return [(model.words(row), model.count_words(row)) for row in tokens.tolist()]

    def heard_as(self, batch: Batch, *, language: str | None = None, task: str | None = None) -> str | None:
        told = self.model.generate_options
        if not told or self.model.is_long(batch):
            return None
        told = {**told, **({"language": language} if language else {}), **({"task": task} if task else {})}
        return self._hear(batch, self.model.modes[0], told)[0][0]

    def transcribe_prompted(self, batch: Batch, prompt: str, kind: PromptKind) -> list[Transcript]:
        """By transformers' ordinary ``generate`` with ``prompt_ids``, in the first mode; it has one place for both kinds.

        Raises:
            VictimError: a clip is longer than the window, or the victim writes timestamps.
        """
        refuse_timestamps(self.model, self.spec)
        return hear_prompted(self.model, batch, prompt)

    def check_target(self, text: str) -> None:
        ids = self.model.text_ids(text)
        most = self.model.network.config.max_target_positions
        if not ids:
            raise TargetError(f"target {text!r} has no tokens for victim {self.spec!r}; give at least one word")
        if len(ids) + len(self.model.prompt) >= most:
            raise TargetError(
                f"target of {len(ids)} tokens is longer than the {most} that victim {self.spec!r} can say; shorten it"
            )
        said = self.model.text_of(ids)
        if "\ufffd" in said or said != text.strip():
            raise TargetError(
                f"target {text!r} cannot be tokenised by victim {self.spec!r} (it comes back as {said!r}); use other wording"
            )
        if never := self.model.never_said(ids):
            raise TargetError(
                f"target {text!r} holds {', '.join(map(repr, never))}, which victim {self.spec!r} never says in ordinary "
                "decoding; use other wording"
            )

    def target_variants(self, text: str) -> list[str]:
        return sentence_spellings(text)

    def loss(self, batch: Batch, texts: Sequence[str]) -> Tensor:
        if not self.model.is_long(batch):
            return self.model.loss(batch, texts)
        sessions = [LongFormSession(self, self.model, Batch.of([clip])) for clip in batch.clips()]
        config = LossConfig("toward")
        parts = [one.attack_loss(batch.waveforms[[row]], [0], [texts[row]], config) for row, one in enumerate(sessions)]
        return torch.cat([part.loss for part in parts])

    def attack_loss(self, batch: Batch, texts: Sequence[str], config: LossConfig) -> AttackLoss:
        """The mean loss over the modes; the cheap check wants all of them."""
        return self.model.attack_loss(batch, texts, config)

    def search(self, clean: Batch) -> LossSession:
        if self.model.is_long(clean):
            return LongFormSession(self, self.model, clean)
        return WhisperSession(self, self.model, clean) if self.short_window else super().search(clean)
