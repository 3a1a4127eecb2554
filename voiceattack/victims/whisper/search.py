"""The loss that a search on Whisper descends: short window, cached context, every front end asked for at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from voiceattack.audio.clips import Batch
from voiceattack.victims.base import AttackLoss, DifferentiableVictim, LossConfig, LossSession
from voiceattack.victims.whisper.frontends import features
from voiceattack.victims.whisper.model import WhisperModel
from voiceattack.victims.whisper.window import Context, front_of, remember
from voiceattack.victims.whisper.writing import REWRITE, write_on

__all__ = ["WhisperSession"]

REFRESH = 20  # losses between two looks at the whole window


class WhisperSession(LossSession):
    """Attack losses of one batch over its own length; the rest of the window is looked at anew every 20 losses.

    Args:
        victim: under attack.
        model: its weights and front ends.
        clean: the clips under attack.
    """

    def __init__(self, victim: DifferentiableVictim, model: WhisperModel, clean: Batch) -> None:
        super().__init__(victim, clean)
        self.model = model
        self.front = front_of(model.network, int(clean.lengths.max()))
        self._contexts: dict[str, Context] = {}
        self._rows: list[int] = []
        self._ends: dict[str, dict[int, int]] = {}
        self._age = 0
        self._scripts: dict[str, dict[int, list[int]]] = {}
        self._script_age = 0

    def stale(self) -> None:
        self._age = REFRESH

    def writing_loss(self, waveforms: Tensor, rows: Sequence[int]) -> AttackLoss:
        batch = self.clean.select(rows).replace(waveforms)
        self._write_on(batch, rows)
        scripts = {label: [script[row] for row in rows] for label, script in self._scripts.items()}
        if self.front >= int(self.model.network.config.max_source_positions):
            return self.model.writing_loss(batch, scripts)
        places = self._refreshed(batch, rows)
        self._age += 1
        return self.model.writing_loss(batch, scripts, {name: kept.select(places) for name, kept in self._contexts.items()})

    def _write_on(self, batch: Batch, rows: Sequence[int]) -> None:
        """Bring up to date what each clip's decoder writes when it may not stop."""
        known = self._scripts and all(set(rows) <= set(script) for script in self._scripts.values())
        if known and self._script_age < REWRITE:
            self._script_age += 1
            return
        with torch.no_grad():
            waveforms = (batch.waveforms * batch.mask()).to(self.model.device)
            for mode in self.model.modes:
                mel = features(self.model.log_mel, waveforms, batch.lengths, mode.frontend)
                scripts = write_on(self.model, mel, mode)
                self._scripts.setdefault(mode.label, {}).update(zip(rows, scripts, strict=True))
        self._script_age = 1

    def attack_loss(self, waveforms: Tensor, rows: Sequence[int], texts: Sequence[str], config: LossConfig) -> AttackLoss:
        batch = self.clean.select(rows).replace(waveforms)
        if self.front >= int(self.model.network.config.max_source_positions):
            return self.model.attack_loss(batch, texts, config)
        places = self._refreshed(batch, rows)
        contexts = {name: context.select(places) for name, context in self._contexts.items()}
        self._age += 1
        # What is said after the last timestamp depends on it, so the one that the model wrote last time is fed.
        known = {label: [stamps[row] for row in rows] for label, stamps in self._ends.items() if set(rows) <= set(stamps)}
        result = self.model.attack_loss(batch, texts, config, contexts, known)
        for label, stamps in known.items():
            self._ends.setdefault(label, {}).update(zip(rows, stamps, strict=False))
        return result

    def _refreshed(self, batch: Batch, rows: Sequence[int]) -> Tensor:
        if self._age >= REFRESH or not self._contexts or not set(rows) <= set(self._rows):
            # Of a clip that comes several times, the first candidate's window serves all.
            places = {row: index for index, row in reversed(list(enumerate(rows)))}
            batch = batch.select(list(places.values()))
            with torch.no_grad():
                for frontend in {mode.frontend: None for mode in self.model.modes}:
                    waveforms = (batch.waveforms * batch.mask()).to(self.model.device)
                    whole = features(self.model.log_mel, waveforms, batch.lengths, frontend)
                    self._contexts[frontend] = remember(self.model.network, whole, self.front)
            self._rows, self._age = list(places), 0
        return torch.tensor([self._rows.index(row) for row in rows], device=self.model.device)
