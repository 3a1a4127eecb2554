"""The Moonshine family (Jeffries et al. 2024): encoder-decoders on the raw waveform, of any length, without a window or mels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from typing_extensions import Self

from voiceattack.audio.clips import SAMPLE_RATE, Batch
from voiceattack.errors import AudioError, TargetError
from voiceattack.victims.base import AttackLoss, DifferentiableVictim, LossConfig, Transcript
from voiceattack.victims.pretrained import quiet_transformers
from voiceattack.victims.seq2seq import losses
from voiceattack.victims.seq2seq.forcing import forced
from voiceattack.victims.spellings import sentence_spellings

__all__ = ["MoonshineVictim"]

TOKENS_A_SECOND = 6.5
"""Most that is written, as its authors decode it: beyond lies repetition."""
FEWEST_TOKENS = 4
SHORTEST = 127 + 64 * (7 + 3 * (3 - 1) - 1)
"""Samples that its convolutions (127 by 64, 7 by 3, 3 by 2) need for one frame."""


class MoonshineVictim(DifferentiableVictim):
    """A Moonshine, heard greedily by transformers' own ``generate`` and attacked teacher-forced, with the same weights.

    Clips are run one at a time, or together where they are of one length: its first layers normalise over the whole clip, padding
    too, and it was trained on unpadded ones.

    Args:
        network: a ``MoonshineForConditionalGeneration``; put in eval mode and frozen.
        encode: text to token ids, without special tokens.
        decode: token ids to text, special tokens skipped.
        facts: JSON-safe facts for run.json.
    """

    max_seconds = 64.0
    mute_text = ""
    hallucinations = ("",)

    def __init__(
        self,
        network: Any,
        encode: Callable[[str], list[int]],
        decode: Callable[[list[int]], str],
        facts: dict[str, Any] | None = None,
    ) -> None:
        self.network = network.eval().requires_grad_(False)
        self._encode, self._decode, self._facts = encode, decode, facts or {}
        config = network.config
        self._begin, self._end = int(config.decoder_start_token_id), int(config.eos_token_id)
        self._most = int(config.max_position_embeddings)

    def with_facts(self, facts: dict[str, Any]) -> Self:
        """The same, with further facts for run.json before the others."""
        self._facts = {**facts, **self._facts}
        return self

    @property
    def device(self) -> torch.device:
        device: torch.device = next(iter(self.network.parameters())).device
        return device

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "family": "moonshine", "device": str(self.device), **self._facts}

    def check_length(self, seconds: float, name: str) -> None:
        super().check_length(seconds, name)
        samples = round(seconds * SAMPLE_RATE)
        if samples < SHORTEST:
            raise AudioError(f"{name}: {samples} samples are fewer than the {SHORTEST} victim {self.spec!r} needs")

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return [self._hear(waveform, name) for waveform, name in self._clips(batch)]

    def _clips(self, batch: Batch) -> list[tuple[Tensor, str]]:
        names = [f"clip {row + 1} of the batch" for row in range(len(batch))]
        clips = [clip.to(self.device, torch.float32) for clip in batch.clips()]
        for clip, name in zip(clips, names, strict=True):
            self.check_length(len(clip) / batch.sample_rate, name)
        return list(zip(clips, names, strict=True))

    def _hear(self, waveform: Tensor, name: str) -> Transcript:
        most = max(FEWEST_TOKENS, min(self._most - 2, int(TOKENS_A_SECOND * len(waveform) / SAMPLE_RATE)))
        with torch.no_grad(), quiet_transformers():
            written = self.network.generate(
                input_values=waveform[None].to(self.network.dtype), max_new_tokens=most, do_sample=False, num_beams=1
            )
        ids = [token for token in written[0].tolist() if token not in (self._begin, self._end)]
        return Transcript(self._decode(ids), {"tokens": len(ids)})

    def check_target(self, text: str) -> None:
        ids = self._encode(text)
        if not ids:
            raise TargetError(f"target {text!r} has no tokens for victim {self.spec!r}; give at least one word")
        if len(ids) + 2 >= self._most:
            raise TargetError(
                f"target of {len(ids)} tokens is longer than the {self._most - 3} that victim {self.spec!r} can say; shorten it"
            )

    def target_variants(self, text: str) -> list[str]:
        return sentence_spellings(text)

    def loss(self, batch: Batch, texts: Sequence[str]) -> Tensor:
        found = torch.zeros(len(batch), device=self.device)
        for rows in _of_one_length(batch):
            logits, labels = self._teacher_forced(batch, rows, [texts[row] for row in rows])
            found = found.index_put((torch.tensor(rows, device=self.device),), losses.cross_entropy(logits, labels).sum(dim=1))
        return found

    def attack_loss(self, batch: Batch, texts: Sequence[str], config: LossConfig) -> AttackLoss:
        parts = []
        for rows in _of_one_length(batch):
            logits, labels = self._teacher_forced(batch, rows, [texts[row] for row in rows])
            parts.append((rows, losses.attack_loss(logits, labels, config)))
        return AttackLoss.of_rows(parts)

    def _teacher_forced(self, batch: Batch, rows: Sequence[int], texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Logits float (rows, tokens, vocabulary) of clips of one length, and labels int64, -100 where padded."""
        length = int(batch.lengths[rows[0]])
        self.check_length(length / batch.sample_rate, f"clip {rows[0] + 1} of the batch")
        waveforms = batch.waveforms[list(rows), :length].to(self.device)
        said = [self._encode(text) for text in texts]
        inputs, labels = forced([self._begin], [(ids, [*ids, self._end]) for ids in said], self._end)
        logits = self.network(
            input_values=waveforms.to(self.network.dtype), decoder_input_ids=inputs.to(self.device), use_cache=False
        ).logits
        return logits.float(), labels.to(self.device)


def _of_one_length(batch: Batch) -> list[list[int]]:
    """The batch's rows, those of one length together."""
    groups: dict[int, list[int]] = {}
    for row, length in enumerate(batch.lengths.tolist()):
        groups.setdefault(length, []).append(row)
    return list(groups.values())
