"""``boundary``: along the edge of what fools, by random steps that keep fooling; decisions only."""

from __future__ import annotations

from typing import ClassVar

from foolbox.attacks import BoundaryAttack
from foolbox.attacks.base import MinimizationAttack
from pydantic import Field

from voiceattack.attacks.decision import foolbox as foolbox_decisions
from voiceattack.attacks.decision.foolbox import FOREVER, FoolboxDecisions

__all__ = ["Boundary"]


class Boundary(FoolboxDecisions):
    """Foolbox's ``BoundaryAttack`` (Brendel, Rauber & Bethge 2018) on speech.

    What differs from the paper is Foolbox's doing (see its docstring) and the start: the quietest of removed components, a
    low-pass, other speech and noise that fools.
    """

    name: ClassVar[str] = "boundary"
    summary: ClassVar[str] = "random steps along the decision boundary (Brendel et al. 2018), decisions only"

    class Params(foolbox_decisions.DecisionParams):
        """Parameters of ``boundary``; steps are fractions of the distance to the clean clip."""

        spherical_step: float = Field(0.01, gt=0, lt=1, description="first step along the boundary")
        source_step: float = Field(0.01, gt=0, lt=1, description="first step toward the clean clip")
        adapt_every: int = Field(10, ge=1, description="steps between two looks at the rates of success")

    config: Params

    def build(self, dimensions: int) -> MinimizationAttack:
        c = self.config
        return BoundaryAttack(
            steps=FOREVER, spherical_step=c.spherical_step, source_step=c.source_step, update_stats_every_k=c.adapt_every
        )
