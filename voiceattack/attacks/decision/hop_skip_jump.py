"""``hop-skip-jump``: gradients of the decision boundary estimated from decisions around it."""

from __future__ import annotations

from typing import ClassVar

from foolbox.attacks import HopSkipJumpAttack
from foolbox.attacks.base import MinimizationAttack
from pydantic import Field

from voiceattack.attacks.decision import foolbox as foolbox_decisions
from voiceattack.attacks.decision.foolbox import FOREVER, FoolboxDecisions

__all__ = ["HopSkipJump"]


class HopSkipJump(FoolboxDecisions):
    """Foolbox's ``HopSkipJumpAttack`` (Chen, Jordan & Wainwright 2020, L2) on speech.

    What differs: the radius of the probes is a fraction of the distance (the paper's, 1 / dimensions, lies under half a step of
    16 bits for a clip of seconds), and the start is the quietest of several that fool.
    """

    name: ClassVar[str] = "hop-skip-jump"
    summary: ClassVar[str] = "the boundary's gradient estimated from decisions (Chen et al. 2020)"

    class Params(foolbox_decisions.DecisionParams):
        """Parameters of ``hop-skip-jump``."""

        probes: int = Field(100, ge=1, le=10_000, description="decisions for the first estimate of the gradient; more later on")
        radius: float = Field(
            0.1,
            gt=0,
            lt=1,
            description="of the probes, as a fraction of the distance to the clean clip; the first estimate has Foolbox's own",
        )

    config: Params

    def build(self, dimensions: int) -> MinimizationAttack:
        # Foolbox's radius is gamma / dimensions of the distance.
        return HopSkipJumpAttack(
            steps=FOREVER, initial_gradient_eval_steps=self.config.probes, gamma=self.config.radius * dimensions
        )
