"""Moves of an evolution over time-frequency cells: each proposes something quieter and learns from whether it still fools."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from voiceattack.attacks.decision.mdct import bands, mdct, synthesis

__all__ = ["KINDS", "Moves", "Proposal"]

KINDS = ("scale", "restore", "remove", "mutate")
FIRST_GAIN = {"scale": 0.03, "restore": 0.06, "remove": 0.03, "mutate": 0.03}
"""Share of the energy that a move first tries to save."""
LEAST_GAIN, MOST_GAIN = 0.002, 0.5
GROW, SHRINK = 1.5, 1.5 ** (-1 / 4)  # the rule of 1/5: sizes hold where one move in five succeeds
FADE = 0.9  # of what a kind of move paid, at each of its moves
LEAST_SHARE = 0.08  # of the moves, for a kind that did not pay
DRAWS = 12  # blocks drawn, of which the one nearest to the wanted energy is taken
LEARN = 0.2  # of the cells' variances and of the path, at each success
FIRST_STEP = 0.3  # length of a mutation, a fraction of the perturbation's


@dataclass(frozen=True)
class Proposal:
    """One move.

    Attributes:
        kind: one of :data:`KINDS`.
        delta: the perturbation proposed, float (samples,).
        step: coefficients float (frames, BINS): what it changes.
    """

    kind: str
    delta: Tensor
    step: Tensor


class Moves:
    """A (1+1) evolution strategy with a diagonal covariance over cells, and moves that fit speech.

    * ``scale``: the whole perturbation, quieter.
    * ``restore``: a block of cells as it was in the clean clip.
    * ``remove``: a block of cells taken out of the clip; the rest of the perturbation pays for it.
    * ``mutate``: Gaussian noise on a group of cells, along what helped before; each cell's variance learns from successes.

    Every proposal saves a share of the energy, which each kind adapts for itself.

    Args:
        clean: float (samples,).
        sample_rate: Hz.
        cell_seconds: length of a cell.
        count: of bands.
        generator: draws all.
    """

    def __init__(self, clean: Tensor, sample_rate: int, cell_seconds: float, count: int, generator: torch.Generator) -> None:
        self._samples, self._generator = len(clean), generator
        self._clean = mdct(clean)
        frames, bins = self._clean.shape
        self._edges = bands(count, sample_rate)
        self._span = max(1, round(cell_seconds * sample_rate / bins))
        band = torch.bucketize(torch.arange(bins), torch.tensor(self._edges[1:-1]), right=True)
        self._cell = (torch.arange(frames) // self._span)[:, None] * (len(self._edges) - 1) + band
        self._cells = int(self._cell.max()) + 1
        self._counts = self._per_cell(torch.ones_like(self._clean))
        self._variance = torch.ones(self._cells)
        # Speech masks and is masked in proportion; a mutation is as loud in a cell as the root of the speech's power there.
        power = self._per_cell(self._clean.square()) / self._counts
        self._level = (power + 1e-4 * power.mean()).pow(0.25)
        self._path = torch.zeros_like(self._clean)
        self._gain = dict(FIRST_GAIN)
        self._length = FIRST_STEP
        self._paid = dict.fromkeys(KINDS, 1.0)
        self._asked = dict.fromkeys(KINDS, 1.0)

    def stand_at(self, delta: Tensor) -> None:
        """The perturbation, float (samples,), that the next moves start from."""
        self._here = mdct(delta)
        self._energy = float(self._here.square().sum())

    def propose(self) -> Proposal:
        """One move, of a kind drawn by what the kinds paid."""
        rates = torch.tensor([self._paid[kind] / self._asked[kind] for kind in KINDS])
        shares = LEAST_SHARE + (1.0 - LEAST_SHARE * len(KINDS)) * rates / rates.sum().clamp(min=1e-9)
        kind = KINDS[int(torch.multinomial(shares, 1, generator=self._generator))]
        moved: Tensor = getattr(self, f"_{kind}")()
        return Proposal(kind, synthesis(moved, self._samples), moved - self._here)

    def learn(self, proposal: Proposal, gained_db: float) -> None:
        """What came of a proposal: decibels gained, 0 where it failed."""
        kind, won = proposal.kind, gained_db > 0.0
        self._paid[kind] = FADE * self._paid[kind] + max(0.0, gained_db)
        self._asked[kind] = FADE * self._asked[kind] + 1.0
        self._gain[kind] = min(MOST_GAIN, max(LEAST_GAIN, self._gain[kind] * (GROW if won else SHRINK)))
        if kind == "mutate":
            self._length = min(1.0, max(0.02, self._length * (GROW if won else SHRINK)))
        if won and kind in ("mutate", "remove"):
            self._path = (1.0 - LEARN) * self._path + LEARN * proposal.step / proposal.step.norm().clamp(min=1e-12)
            energy = self._per_cell(proposal.step.square()) / self._counts / self._level.square()
            self._variance = (1.0 - LEARN) * self._variance + LEARN * energy / energy.mean().clamp(min=1e-20)

    def _scale(self) -> Tensor:
        return self._here * math.sqrt(1.0 - self._gain["scale"])

    def _restore(self) -> Tensor:
        block = self._block(self._here.square(), self._gain["restore"])
        return torch.where(block, torch.zeros_like(self._here), self._here)

    def _remove(self) -> Tensor:
        missing = (self._here + self._clean).square()
        block = self._block(missing, 3.0 * self._gain["remove"])
        return self._paid_for(torch.where(block, -self._clean, self._here), block, self._gain["remove"])

    def _mutate(self) -> Tensor:
        group = self._block(None, 0.0)
        noise = torch.randn(self._here.shape, generator=self._generator)
        noise = noise * (self._level * self._variance.sqrt())[self._cell] * group
        noise = noise / noise.norm().clamp(min=1e-12) + self._path * group * torch.randn(1, generator=self._generator).abs()
        size = self._length * math.sqrt(self._energy)
        moved = self._here + size * noise / noise.norm().clamp(min=1e-12)
        return self._paid_for(moved, torch.zeros_like(group), self._gain["mutate"])

    def _paid_for(self, moved: Tensor, kept: Tensor, gain: float) -> Tensor:
        """``moved`` quieter outside ``kept``, so that it saves ``gain`` of the energy; all of it where the rest cannot pay."""
        wanted = self._energy * (1.0 - gain)
        rest = wanted - float((moved * kept).square().sum())
        outside = float((moved * ~kept).square().sum())
        if rest <= 0.3 * outside:
            return moved * math.sqrt(wanted / max(1e-20, float(moved.square().sum())))
        return torch.where(kept, moved, moved * min(1.0, math.sqrt(rest / max(1e-20, outside))))

    def _block(self, energy: Tensor | None, share: float) -> Tensor:
        """Mask bool (frames, BINS) of a block of cells; of several drawn, the one whose ``energy`` is nearest to ``share``."""
        masks = [self._random_block() for _ in range(1 if energy is None else DRAWS)]
        if energy is None:
            return masks[0]
        found = torch.stack([(energy * mask).sum() for mask in masks]) / self._energy
        return masks[int((found.clamp(min=1e-9).log() - torch.tensor(share).log()).abs().argmin())]

    def _random_block(self) -> Tensor:
        """So many cells by so many bands, from one to all, small ones as likely as large ones."""
        frames = self._clean.shape[0]
        mask = torch.zeros(self._clean.shape, dtype=torch.bool)
        first, last = self._range(-(-frames // self._span))
        low, high = self._range(len(self._edges) - 1)
        mask[first * self._span : last * self._span, self._edges[low] : self._edges[high]] = True
        return mask

    def _range(self, count: int) -> tuple[int, int]:
        place, size = torch.rand(2, generator=self._generator).tolist()
        length = min(count, max(1, round(count**size)))
        first = min(count - length, int(place * (count - length + 1)))
        return first, first + length

    def _per_cell(self, values: Tensor) -> Tensor:
        return torch.zeros(self._cells).index_add_(0, self._cell.flatten(), values.flatten())
