"""``ensemble:A|B``: several victims attacked at once, so that what fools them together may fool others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from voiceattack.audio.clips import Batch
from voiceattack.errors import SpecError
from voiceattack.victims.base import AttackLoss, DifferentiableVictim, LossConfig, LossSession, Transcript, Victim, differentiates

__all__ = ["EnsembleVictim", "load"]


class EnsembleVictim(DifferentiableVictim):
    """Differentiable victims as one: the mean of their losses (Liu et al. 2017), fooled only when all of them are.

    The transcript is the first member's; all are in its ``details["hypotheses"]``, and success asks for each of them.

    Args:
        members: two or more; a loss that one of them lacks is an error of the ensemble.

    Raises:
        SpecError: fewer than two members, or one that is not differentiable.
    """

    def __init__(self, members: Sequence[Victim]) -> None:
        if len(members) < 2:
            raise SpecError("an ensemble needs at least two victims: ensemble:A|B")
        differentiable = [member for member in members if differentiates(member)]
        if len(differentiable) < len(members):
            names = ", ".join(member.spec for member in members if not differentiates(member))
            raise SpecError(f"an ensemble is crafted on by gradients, which {names} does not give; hear it with evaluate instead")
        self.members = differentiable
        limits = [member.max_seconds for member in members if member.max_seconds is not None]
        self.max_seconds = min(limits) if limits else None
        self.mute_text = members[0].mute_text
        self.language = members[0].language
        first, *others = members
        self.hallucinations = tuple(
            text for text in first.hallucinations if all(text in member.hallucinations for member in others)
        )

    @property
    def device(self) -> torch.device:
        return self.members[0].device

    def transcribe(self, batch: Batch) -> list[Transcript]:
        heard = [member.transcribe(batch) for member in self.members]
        transcripts = []
        for row, first in enumerate(heard[0]):
            texts: dict[str, str] = {}
            for member, transcript in zip(self.members, (each[row] for each in heard), strict=True):
                for index, text in enumerate(transcript.hypotheses):
                    texts[f"{member.spec}#{index}" if index else member.spec] = text
            tokens = [count for each in heard if (count := each[row].tokens) is not None]
            told = {"tokens": min(tokens)} if len(tokens) == len(heard) else {}
            limits = [most for each in heard if (most := each[row].most_tokens) is not None]
            told |= {"most_tokens": max(limits)} if len(limits) == len(heard) else {}
            transcripts.append(Transcript(first.text, {"hypotheses": texts, **told}))
        return transcripts

    def loss(self, batch: Batch, texts: Sequence[str]) -> Tensor:
        return torch.stack([member.loss(batch, texts).to(self.device) for member in self.members]).mean(dim=0)

    def attack_loss(self, batch: Batch, texts: Sequence[str], config: LossConfig) -> AttackLoss:
        parts = [member.attack_loss(batch, _spoken(member, texts), config) for member in self.members]
        return AttackLoss.together([_on(part, self.device) for part in parts], config.direction == "toward")

    @property
    def token_losses(self) -> bool:
        return all(member.token_losses for member in self.members)

    @property
    def writes_on(self) -> bool:
        return all(member.writes_on for member in self.members)

    def search(self, clean: Batch) -> LossSession:
        return _EnsembleSession(self, clean)

    def check_target(self, text: str) -> None:
        for member in self.members:
            member.check_target(text)

    def target_variants(self, text: str) -> list[str]:
        return self.members[0].target_variants(text)

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "members": [member.describe() for member in self.members]}


class _EnsembleSession(LossSession):
    """Each member's own session."""

    def __init__(self, victim: EnsembleVictim, clean: Batch) -> None:
        super().__init__(victim, clean)
        self.parts = [(member, member.search(clean)) for member in victim.members]

    def attack_loss(self, waveforms: Tensor, rows: Sequence[int], texts: Sequence[str], config: LossConfig) -> AttackLoss:
        losses = [part.attack_loss(waveforms, rows, _spoken(member, texts), config) for member, part in self.parts]
        return AttackLoss.together([_on(loss, waveforms.device) for loss in losses], config.direction == "toward")

    def writing_loss(self, waveforms: Tensor, rows: Sequence[int]) -> AttackLoss:
        losses = [part.writing_loss(waveforms, rows) for _, part in self.parts]
        return AttackLoss.together([_on(loss, waveforms.device) for loss in losses], toward=False)

    def stale(self) -> None:
        for _, part in self.parts:
            part.stale()


def _spoken(member: DifferentiableVictim, texts: Sequence[str]) -> list[str]:
    """The texts as this member can say them: muting has its own spelling in each."""
    return [text if text.strip(" .") else member.mute_text for text in texts]


def _on(part: AttackLoss, device: torch.device) -> AttackLoss:
    matches = None if part.matches is None else part.matches.to(device)
    distance = None if part.distance is None else part.distance.to(device)
    return AttackLoss(part.loss.to(device), matches, distance)


def load(specs: Sequence[str], device: torch.device, load_one: Callable[[str, str], Victim]) -> EnsembleVictim:
    """The ensemble of the victims that ``specs`` name."""
    return EnsembleVictim([load_one(spec, str(device)) for spec in specs])
