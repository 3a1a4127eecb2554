"""``pointwise``: what can be put back as it was, one coordinate after the other, without the victim coming round."""

from __future__ import annotations

from typing import ClassVar

from foolbox.attacks import PointwiseAttack
from foolbox.attacks.base import MinimizationAttack
from pydantic import Field

from voiceattack.attacks.decision import foolbox as foolbox_decisions
from voiceattack.attacks.decision.foolbox import FoolboxDecisions, SpaceName

__all__ = ["Pointwise"]


class Pointwise(FoolboxDecisions):
    """Foolbox's ``PointwiseAttack`` (Schott et al. 2019) on speech.

    What differs: a coordinate is a time-frequency cell of the starting perturbation, since a clip has more samples than anybody
    has queries; ``space=samples`` is the paper's.
    """

    name: ClassVar[str] = "pointwise"
    summary: ClassVar[str] = "cells of the start restored one by one while it still fools (Schott et al. 2019)"

    class Params(foolbox_decisions.DecisionParams):
        """Parameters of ``pointwise``."""

        space: SpaceName = Field(
            "cells",
            description="what is searched: samples, or cells: gains of the start's time-frequency cells, 0.1 s by 350 mel",
        )

    config: Params

    def build(self, dimensions: int) -> MinimizationAttack:
        return PointwiseAttack(l2_binary_search=True)
