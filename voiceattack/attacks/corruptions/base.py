"""What a corruption is: an attack that searches nothing. An author writes :meth:`Corruption.apply`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from voiceattack.attacks import base
from voiceattack.attacks.corruptions.severities import Severities, table
from voiceattack.attacks.problem import Problem
from voiceattack.audio.clips import SAMPLE_RATE, quantize16
from voiceattack.audio.files import MIN_SECONDS
from voiceattack.corpus import Utterance
from voiceattack.errors import AttackError

__all__ = ["RATE", "Corruption", "Draws", "Wave", "fitted"]

Wave = NDArray[np.float64]
RATE = SAMPLE_RATE


@dataclass
class Draws:
    """What one clip's corruption may draw from, and where it writes down what it drew.

    Attributes:
        rng: seeded by the example's seed; the same for each severity, so that severities differ in size and not in luck.
        facts: JSON-safe, into the example's recipe under ``draws``.
    """

    rng: np.random.Generator
    facts: dict[str, Any] = field(default_factory=dict)


class Corruption(base.Attack):
    """Does to a clip what its row in the table says, heard once.

    Subclasses set ``name`` (``corruption:NAME``), ``summary`` and write :meth:`apply`. The artefact may be longer or shorter than
    its clip; then no SNR is defined and the record says null. What would pass full scale is scaled down as a whole, unless
    clipping is the point (``clips``), and ``draws`` says by how much.
    """

    needs_budget: ClassVar[bool] = False
    changes_length: ClassVar[bool] = True
    clips: ClassVar[bool] = False
    corpus: Sequence[Utterance] = ()
    """The clips of the run, as :meth:`set_corpus` was told."""
    drawn: Mapping[str, Any] | None = None
    """What was drawn for the one example that is crafted again."""

    class Params(base.Params):
        """What every corruption takes: severity 1 (mild) to 4; the corruption's row in the table says what that is."""

        severity: int = Field(1, ge=1, le=4, description="1 (mild) to 4; the table says what that is")

    config: Params

    @property
    def severities(self) -> Severities:
        """This corruption's row in the table."""
        return table()[self.name.partition(":")[2]]

    @property
    def value(self) -> float:
        """What the severity asked for is, in the row's unit."""
        return self.severities.at(self.config.severity)

    @property
    def random(self) -> bool:
        """Whether another seed gives another artefact."""
        return False

    @property
    def max_queries(self) -> int:
        """One: the corrupted clip is heard."""
        return 1

    def set_corpus(self, corpus: Sequence[Utterance], draws: Mapping[str, Any] | None = None) -> None:
        self.corpus, self.drawn = list(corpus), draws

    @abstractmethod
    def apply(self, clip: Wave, draws: Draws) -> Wave:
        """The corrupted clip.

        Args:
            clip: float64 (samples,) in [-1, 1] at 16 kHz, not silent.
            draws: to draw from, and to write down what was drawn.

        Returns:
            float64 (samples,), of any length.

        Raises:
            AttackError: this clip cannot be corrupted so.
        """

    def corrupt(self, clip: Tensor, seed: int) -> tuple[Tensor, dict[str, Any]]:
        """One clip float32 (samples,) corrupted, float32 (samples,) on the 16-bit grid, and what was drawn."""
        draws = Draws(np.random.default_rng(seed))
        wave = self.apply(clip.detach().cpu().double().numpy(), draws)
        if len(wave) < MIN_SECONDS * RATE:
            raise AttackError(f"{self.name} leaves {len(wave) / RATE:.3f} s of the clip, too short to hear; use a longer clip")
        if not self.clips:
            wave, gain = fitted(wave)
            draws.facts.update({} if gain == 1.0 else {"scaled_by": gain})
        facts = {"value": self.value, "unit": self.severities.unit, "random": self.random, **draws.facts}
        return quantize16(torch.from_numpy(np.clip(wave, -1.0, 1.0).astype(np.float32))), facts

    def search(self, problem: Problem) -> list[Tensor]:
        waveforms = []
        rows = range(len(problem.clean))
        for row, clip in enumerate(problem.clean.clips()):
            waveform, facts = self.corrupt(clip, problem.seeds[row])
            problem.victim.check_length(len(waveform) / RATE, "the corrupted clip")
            problem.logs[row].draws = facts
            waveforms.append(waveform)
        for row, heard in zip(rows, problem.hear(waveforms, rows), strict=True):
            problem.note(row, heard=heard.text, success=heard.success)
        return waveforms


def fitted(wave: Wave) -> tuple[Wave, float]:
    """``wave`` scaled down so that it stays below full scale, and by what; 1.0 when it did."""
    peak = float(np.abs(wave).max())
    limit = 32767 / 32768
    gain = limit / peak if peak > limit else 1.0
    return wave * gain, gain
