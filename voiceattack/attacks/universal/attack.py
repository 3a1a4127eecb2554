"""``universal``: one perturbation, fitted beforehand, on any clip."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from voiceattack.attacks import base
from voiceattack.attacks.problem import Problem
from voiceattack.attacks.universal.artefact import Recipe, load_artefact
from voiceattack.constraints import Budget
from voiceattack.errors import AttackError
from voiceattack.objectives import Objective
from voiceattack.victims.base import Victim

__all__ = ["Universal", "place"]


class Universal(base.Attack):
    """Applies what ``voiceattack fit`` made, to any clip and any victim, with no search and one hearing.

    Additive (Neekhara et al. 2019): repeated over the clip. Prepended (Raina et al. 2024, "Muting Whisper"): before the clip; the
    clean clip then has silence of that length before it, so that every size is measured on equal terms. What differs: the
    perturbation is 16-bit audio, and it is fitted by a margin on the victim's own tokens.
    """

    name: ClassVar[str] = "universal"
    summary: ClassVar[str] = "one fitted perturbation for any clip"
    needs: ClassVar[frozenset[str]] = frozenset({"hears"})
    slows: ClassVar[bool] = True
    needs_budget: ClassVar[bool] = False

    class Params(base.Params):
        """Parameters of ``universal``."""

        artefact: str = Field("", description="the file that 'voiceattack fit' wrote; its recipe lies beside it")
        sha256: str = Field("", description="digest that the file must have; filled in from its recipe")

    config: Params

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._loaded: tuple[Tensor, Recipe] | None = None

    @property
    def max_queries(self) -> int:
        return 1

    @property
    def params(self) -> dict[str, Any]:
        """The file and its digest: the same path with another perturbation is another request."""
        return {**super().params, **({"sha256": self.artefact()[1].sha256} if self.config.artefact else {})}

    def artefact(self) -> tuple[Tensor, Recipe]:
        """The perturbation float32 (samples,) and its recipe.

        Raises:
            AttackError: none is given, or it cannot be read.
        """
        if self._loaded is None:
            if not self.config.artefact:
                raise AttackError("attack universal needs --artefact FILE; make one with: voiceattack fit RECORDINGS --out FILE")
            loaded = load_artefact(Path(self.config.artefact))
            if self.config.sha256 not in ("", loaded[1].sha256):
                raise AttackError(f"{self.config.artefact}: is not the perturbation asked for (other SHA-256); restore it")
            self._loaded = loaded
        return self._loaded

    def prepare(self, waveform: Tensor) -> Tensor:
        segment, recipe = self.artefact()
        if recipe.mode == "additive":
            return waveform
        return torch.cat([torch.zeros_like(segment), waveform])

    def check(self, victim: Victim, objective: Objective, budget: Budget) -> None:
        super().check(victim, objective, budget)
        self.artefact()

    def search(self, problem: Problem) -> Tensor:
        segment, recipe = self.artefact()
        delta = place(segment.to(problem.clean.waveforms), problem.clean.waveforms, recipe.mode)
        realized = problem.realize(delta)
        rows = list(range(len(realized)))
        for row, heard in zip(rows, problem.hear(realized, rows), strict=True):
            problem.note(row, snr_db=problem.snr(row, heard.waveform), heard=heard.text, success=heard.success)
        return realized


def place(segment: Tensor, waveforms: Tensor, mode: str) -> Tensor:
    """The perturbation of each clip, float (batch, samples): repeated over it (additive) or at its start (prepend)."""
    samples = waveforms.shape[1]
    if mode == "additive":
        row = segment.repeat(-(-samples // len(segment)))[:samples]
    else:
        row = torch.nn.functional.pad(segment[:samples], (0, max(0, samples - len(segment))))
    return row.expand(len(waveforms), -1)
