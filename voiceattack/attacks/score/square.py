"""``square``: rectangles of time and frequency exchanged, all of the budget spent from the start."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from voiceattack.attacks.score.base import GridAttack, GridSearch, best_start, random_signs

__all__ = ["Square", "share_at"]

HALVINGS = (10, 40, 100, 300, 1000, 3000)  # queries after which a rectangle's share of the grid halves


class Square(GridAttack):
    """Random search over rectangles (Andriushchenko et al. 2020), in time and frequency.

    As there, the perturbation stands at the full budget from the start and each proposal sets one rectangle, kept if the score
    is no worse; rectangles shrink as queries are spent. What differs: cells of a time-frequency grid of gains in phase with the
    clip (:class:`~voiceattack.attacks.score.gain_grid.GainGrid`) in place of pixels; a rectangle takes one random sign or, as
    often, one a cell; the best of some random starts, and of the one that only takes away, in place of stripes.
    """

    name: ClassVar[str] = "square"
    summary: ClassVar[str] = "rectangles of time and frequency exchanged at full budget (after Andriushchenko et al. 2020)"

    class Params(GridAttack.Params):
        """Parameters of ``square``."""

        starts: int = Field(4, ge=1, le=1000, description="random starts, of which the best is taken")
        share: float = Field(0.3, gt=0, le=1, description="share of the grid that the first rectangles cover")
        proposals: int = Field(1, ge=1, le=1024, description="rectangles asked for at once, of which the best is taken")

    config: Params

    def steps(self, shape: tuple[int, int], generator: torch.Generator) -> GridSearch:
        gains, value = yield from best_start(shape, self.config.starts, generator)
        spent = self.config.starts
        while True:
            share = share_at(spent, self.config.share)
            proposals = torch.stack([_proposal(gains, share, generator) for _ in range(self.config.proposals)])
            values = yield proposals
            spent += len(proposals)
            place = int(values.argmax())
            if float(values[place]) >= value:
                gains, value = proposals[place], float(values[place])


def share_at(spent: int, first: float) -> float:
    """Share of the grid that a rectangle covers after ``spent`` queries, from ``first`` on downward."""
    return first * 0.5 ** sum(spent >= after for after in HALVINGS)


def _proposal(gains: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """The gains with one rectangle of about ``share`` of them set anew; never the same gains."""
    bands, slots = gains.shape
    area = max(1.0, share * bands * slots)
    stretch, top, left, alike = torch.rand(4, generator=generator).tolist()
    height = max(1, min(bands, round(math.sqrt(area) * (0.5 + stretch))))
    width = max(1, min(slots, round(area / height)))
    first, start = int(top * (bands - height + 1)), int(left * (slots - width + 1))
    drawn = random_signs(height, width, generator=generator)
    rectangle = drawn[:1, :1].expand(height, width) if alike < 0.5 else drawn
    proposal = gains.clone()
    proposal[first : first + height, start : start + width] = rectangle
    if torch.equal(proposal, gains):  # not worth a query
        proposal[first : first + height, start : start + width] *= -1
    return proposal
