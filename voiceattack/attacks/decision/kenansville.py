"""``kenansville``: removes as few of a clip's quiet components as possible until the victim errs; a black-box search."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from voiceattack.attacks import base
from voiceattack.attacks.clip_log import Heard
from voiceattack.attacks.decision.decompositions import Components, Fourier, Segment, Singular, segments
from voiceattack.attacks.problem import Problem
from voiceattack.audio.clips import SAMPLE_RATE

__all__ = ["Kenansville"]

QUIETEST_DB = 100.0  # no 16-bit clip has weaker components
LONGEST_SECONDS = 30.0  # of a segment, so that a long clip does not take the memory


@dataclass
class _Clip:
    """Where one clip's search stands.

    Attributes:
        components: of the clean clip.
        levels: SNRs in dB still to be tried in turn, quietest first.
        holds, falls: the lowest SNR above ``falls`` that was heard right, and the highest that fooled; None before.
        heard: what was heard without so many components.
        best, best_snr: the quietest success heard.
    """

    components: Components
    levels: list[float]
    holds: float = QUIETEST_DB
    falls: float | None = None
    heard: dict[int, bool] = field(default_factory=dict)
    best: Heard | None = None
    best_snr: float = -math.inf


class Kenansville(base.MinimizationAttack):
    """Abdullah et al. 2020, "Hear 'No Evil', See 'Kenansville'": drop what is weak, which people hardly miss.

    ``dft`` zeroes the weakest lines of the Fourier transform, ``ssa`` the weakest components of a singular spectrum analysis.
    How much goes is searched for by what the victim writes: first on a coarse grid of SNRs from the smallest removal on,
    since hearing is not monotone, then by bisection between the first that fools and the one before it. Nothing is drawn
    at random. What differs from the paper: the removed share is told as an SNR, and the SSA runs on the covariance of windows.
    """

    name: ClassVar[str] = "kenansville"
    summary: ClassVar[str] = "as few quiet components removed as mislead the victim (Abdullah et al. 2020)"
    needs: ClassVar[frozenset[str]] = frozenset({"hears"})

    class Params(base.Params):
        """Parameters of ``kenansville``."""

        method: Literal["dft", "ssa"] = Field("dft", description="dft: lines of the Fourier transform; ssa: singular spectrum")
        segment_seconds: float = Field(
            0.1, ge=0, le=LONGEST_SECONDS, description="length of the segments, decomposed one by one; 0: the whole clip"
        )
        weakest: Literal["clip", "segment"] = Field(
            "clip", description="weakest of the whole clip, or as large a share of energy of each segment"
        )
        window: int = Field(128, ge=2, le=1024, description="ssa: components of a segment, samples of its window")
        start_snr_db: float = Field(40.0, ge=-10, le=80, description="the first and smallest removal on the grid")
        end_snr_db: float = Field(0.0, ge=-10, le=80, description="the largest removal; a tighter budget takes its place")
        grid_db: float = Field(4.0, gt=0, le=40, description="stride of the grid")
        resolution_db: float = Field(0.25, gt=0, le=10, description="at which the bisection ends")

    config: Params

    @property
    def max_queries(self) -> int:
        c = self.config
        # Where the first of the grid fools already, the bisection has everything above it.
        widest = max(c.grid_db, QUIETEST_DB - c.start_snr_db)
        return len(self._levels(c.end_snr_db)) + max(0, math.ceil(math.log2(widest / c.resolution_db)))

    def search(self, problem: Problem) -> Tensor:
        c, clean = self.config, problem.clean
        end = c.end_snr_db if problem.budget.snr_db is None else max(c.end_snr_db, problem.budget.snr_db)
        clips = [_Clip(self._components(clip.cpu()), self._levels(end)) for clip in clean.clips()]
        while asked := self._next(problem, clips):
            rows = [row for row, _, _ in asked]
            delta = torch.zeros(len(rows), clean.waveforms.shape[1])
            for index, (row, _, count) in enumerate(asked):
                removed = clips[row].components.weakest(count)
                delta[index, : len(removed)] = -removed
            heard = problem.hear(problem.realize(delta.to(clean.waveforms), rows), rows)
            for (row, level, count), each in zip(asked, heard, strict=True):
                self._take(problem, row, clips[row], level, count, each)
        nearest = problem.best()
        problem.tell(problem.max_steps)
        return torch.stack([nearest[row] if clip.best is None else clip.best.waveform for row, clip in enumerate(clips)])

    def _levels(self, end: float) -> list[float]:
        """The grid in dB, from the smallest removal to the largest."""
        c = self.config
        steps = max(0, math.ceil((c.start_snr_db - end) / c.grid_db - 1e-9))
        return [max(end, c.start_snr_db - step * c.grid_db) for step in range(steps + 1)]

    def _components(self, clip: Tensor) -> Components:
        c = self.config
        samples = round((c.segment_seconds or LONGEST_SECONDS) * SAMPLE_RATE)
        pieces = segments(clip, max(2, samples))
        parts: list[Segment] = [Fourier(piece) if c.method == "dft" else Singular(piece, c.window) for piece in pieces]
        return Components(parts, c.weakest)

    def _next(self, problem: Problem, clips: list[_Clip]) -> list[tuple[int, float, int]]:
        """Row, SNR in dB and number of components to remove, for each clip that has something left to ask."""
        asked = []
        for row, clip in enumerate(clips):
            while (level := self._level(clip)) is not None:
                count = clip.components.most_within(level)
                if count and count not in clip.heard:
                    break
                # The same removal again, or none: known without a query.
                self._place(clip, level, clip.heard.get(count, False))
            if level is None:
                continue
            if problem.queries_left(row) == 0:
                problem.logs[row].cut_short = True
                continue
            asked.append((row, level, count))
        return asked

    def _level(self, clip: _Clip) -> float | None:
        """The SNR to try next; None when the search of this clip is over."""
        if clip.falls is None:
            return clip.levels[0] if clip.levels else None
        return 0.5 * (clip.holds + clip.falls) if clip.holds - clip.falls > self.config.resolution_db else None

    @staticmethod
    def _place(clip: _Clip, level: float, fooled: bool) -> None:
        """Move the bracket by what was heard at ``level``."""
        if clip.falls is None:
            clip.levels.pop(0)
        if fooled:
            clip.falls = level
        else:
            clip.holds = level

    def _take(self, problem: Problem, row: int, clip: _Clip, level: float, count: int, heard: Heard) -> None:
        """Note what was heard without ``count`` components."""
        clip.heard[count] = heard.success
        self._place(clip, level, heard.success)
        snr = problem.snr(row, heard.waveform)
        if heard.success and snr > clip.best_snr:
            clip.best, clip.best_snr = heard, snr
        share = count / len(clip.components)
        problem.note(row, removed_share=share, snr_db=snr, heard=heard.text, success=heard.success)
