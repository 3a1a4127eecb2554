"""One batch under attack: realise perturbations as 16-bit audio, hear them, keep each clip's best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from voiceattack.audio import Batch, quantize16
from voiceattack.constraints import Budget
from voiceattack.metrics.signal import snr_db
from voiceattack.objectives import Objective
from voiceattack.victims.base import AttackLoss, DifferentiableVictim, LossConfig, Search, Victim

__all__ = ["ClipLog", "Heard", "Problem"]


@dataclass
class ClipLog:
    """What was spent on one clip, and how it went."""

    steps: int = 0
    queries: int = 0
    zero_gradients: int = 0
    trace: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Heard:
    """One candidate heard through the victim's ordinary path: its 16-bit samples, transcript, success, and nearness to it."""

    waveform: Tensor
    text: str
    success: bool
    nearness: float


class Problem:
    """What a search works on; everything it may ask.

    Attributes:
        victim, clean, clean_hypotheses, objective, budget, seeds: as given to ``Attack.craft``.
        texts: the text a clip to move away from or toward.
        logs: one :class:`ClipLog` a clip.
    """

    def __init__(
        self,
        victim: Victim,
        clean: Batch,
        clean_hypotheses: Sequence[str],
        objective: Objective,
        budget: Budget,
        seeds: Sequence[int],
        max_steps: int,
        on_step: Callable[[int, int], None] | None = None,
    ) -> None:
        self.victim = victim
        self.clean = clean
        self.clean_hypotheses = list(clean_hypotheses)
        self.objective = objective
        self.budget = budget
        self.seeds = list(seeds)
        self.max_steps = max_steps
        self.logs = [ClipLog() for _ in range(len(clean))]
        self._on_step = on_step
        self._search: Search | None = None
        self.texts = [objective.text_for(victim, heard) for heard in clean_hypotheses]
        if objective.kind == "targeted" and isinstance(victim, DifferentiableVictim):
            self.texts = self._likeliest_spelling(victim, str(objective.target))

    def _likeliest_spelling(self, victim: DifferentiableVictim, target: str) -> list[str]:
        """Success is judged after normalisation, so each clip aims at the spelling already likeliest for it."""
        variants = victim.target_variants(target)
        if len(variants) == 1:
            return variants * len(self.clean)
        scores = torch.stack([victim.score(self.clean, [variant] * len(self.clean)) for variant in variants])
        return [variants[index] for index in scores.argmax(dim=0).tolist()]

    def attack_loss(self, waveforms: Tensor, rows: Sequence[int], config: LossConfig) -> AttackLoss:
        """The victim's attack loss on the clips at ``rows``; ``waveforms`` is float (len(rows), samples)."""
        if self._search is None:
            assert isinstance(self.victim, DifferentiableVictim)
            self._search = self.victim.search(self.clean)
        return self._search.attack_loss(waveforms, rows, [self.texts[row] for row in rows], config)

    def realize(self, delta: Tensor, rows: Sequence[int] | None = None, budget: Budget | None = None) -> Tensor:
        """Perturbed waveforms float (rows, samples) on the 16-bit grid and within budget.

        Rounding adds up to half a step of noise, which can break a budget that the float perturbation held: such a
        perturbation is scaled down by what it exceeds, and in the last resort rounded toward the clean clip.
        """
        clean = self.clean if rows is None else self.clean.select(rows)
        budget = self.budget if budget is None else budget
        delta = budget.project(delta.detach(), clean)
        rounded = quantize16(clean.waveforms + delta)
        for place in range(len(clean)):
            length = int(clean.lengths[place])
            original = clean.waveforms[place, :length]
            shrink = 1.0
            for _ in range(8):
                excess = budget.excess(original, rounded[place, :length])
                if excess <= 1.0:
                    break
                shrink *= 0.9999 / excess
                rounded[place] = quantize16(clean.waveforms[place] + delta[place] * shrink)
            else:
                inward = (delta[place] * 32768.0).trunc() / 32768.0
                rounded[place] = quantize16(clean.waveforms[place] + inward)
        return rounded

    def hear(self, waveforms: Tensor, rows: Sequence[int]) -> list[Heard]:
        """Transcribe candidates (already realised) through the victim's ordinary path; counts one query a clip."""
        heard = self.victim.transcribe(self.clean.select(rows).replace(waveforms))
        results = []
        for row, waveform, transcript in zip(rows, waveforms, heard, strict=True):
            self.logs[row].queries += 1
            clean_text = self.clean_hypotheses[row]
            texts = transcript.hypotheses
            success = all(self.objective.succeeded(clean_text, text) for text in texts)
            nearness = min(self.objective.nearness(clean_text, text) for text in texts)
            results.append(Heard(waveform, transcript.text, success, nearness))
        if self._search is not None and not all(result.success for result in results):
            self._search.stale()
        return results

    def snr(self, row: int, waveform: Tensor) -> float:
        """Signal-to-noise ratio in dB of one realised candidate."""
        length = int(self.clean.lengths[row])
        return float(snr_db(self.clean.waveforms[row, :length], waveform[:length]))

    def note(self, row: int, **facts: Any) -> None:
        """Append one line to the clip's trace; floats are rounded so that the record stays readable."""
        self.logs[row].trace.append({name: round(fact, 4) if isinstance(fact, float) else fact for name, fact in facts.items()})

    def step(self, rows: Sequence[int], done: int) -> None:
        """Count one gradient step for ``rows`` and tell the progress display."""
        for row in rows:
            self.logs[row].steps += 1
        self.tell(done)

    def tell(self, done: int) -> None:
        """Tell the progress display how many of the most steps are done."""
        if self._on_step is not None:
            self._on_step(done, self.max_steps)

    def warnings(self, row: int) -> list[str]:
        """Validity warnings after the search (AutoAttack's spirit)."""
        log = self.logs[row]
        if log.steps and log.zero_gradients >= log.steps:
            return ["zero gradients at every step: the victim hides its gradient or the loss is saturated"]
        if log.zero_gradients > 0.1 * log.steps:
            return [f"zero gradients at {log.zero_gradients} of {log.steps} steps"]
        return []
