"""Scores of candidates by the victim's probability of each token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from voiceattack.audio.clips import Batch
from voiceattack.victims.base import DifferentiableVictim, LossConfig, LossSession

__all__ = ["TokenScores"]


class TokenScores:
    """Mean log-probability of a token. What a search remembers is each clip's own here: no neighbour changes a score.

    Args:
        victim: that scores.
        clean: the clips, to which rows refer.
    """

    def __init__(self, victim: DifferentiableVictim, clean: Batch) -> None:
        self._victim = victim
        self._clean = clean
        self._sessions: dict[int, LossSession] = {}

    def scores(
        self, waveforms: Tensor, rows: list[int], texts: Sequence[str], direction: Literal["away", "toward"], cap: float
    ) -> Tensor:
        """Score candidates of the clips at ``rows``, which may repeat.

        Args:
            waveforms: float (len(rows), samples).
            rows: whose candidates they are.
            texts: one a candidate.
            direction: whether the search moves away from the texts or toward them.
            cap: nats below which no token's log-probability counts while moving away.

        Returns:
            float (len(rows),), higher is more likely.
        """
        away = direction == "away"
        config = LossConfig(direction, "ce", cap if away else None)
        for row in rows:
            if row not in self._sessions:
                clip = self._clean.waveforms[row, : int(self._clean.lengths[row])]
                self._sessions[row] = self._victim.search(Batch.of([clip], self._clean.sample_rate).to(waveforms.device))
        with torch.no_grad():
            if all(type(self._sessions[row]) is LossSession for row in rows):  # it remembers nothing: one call serves all clips
                losses = self._victim.attack_loss(self._clean.select(rows).replace(waveforms), list(texts), config).loss
            else:
                losses = torch.empty(len(rows), device=waveforms.device)
                for row in dict.fromkeys(rows):
                    mine = [index for index, other in enumerate(rows) if other == row]
                    candidates = waveforms[mine, : int(self._clean.lengths[row])]
                    own = [texts[index] for index in mine]
                    losses[mine] = self._sessions[row].attack_loss(candidates, [0] * len(mine), own, config).loss.to(losses)
        return losses if away else -losses
