"""Several searches in turn, each on the clips that still stand, with the steps shared out beforehand."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from voiceattack.attacks.problem import Problem

__all__ = ["Stage", "run_in_turn", "split_steps"]


@dataclass(frozen=True)
class Stage:
    """One search among several: its name in the trace, its gradient steps a clip, and the search itself."""

    name: str
    steps: int
    search: Callable[[Problem], Tensor | list[Tensor]]


def split_steps(steps: int, shares: Sequence[int]) -> list[int]:
    """``steps`` shared out in proportion to whole-number ``shares``, early ones first; the parts sum to ``steps``."""
    whole = sum(shares)
    edges = [-(-steps * sum(shares[:index]) // whole) for index in range(len(shares) + 1)]
    return [after - before for before, after in itertools.pairwise(edges)]


def run_in_turn(problem: Problem, stages: Sequence[Stage]) -> list[str | None]:
    """Run each stage on the clips that no earlier one brought to success; stages without steps are left out.

    Each stage draws other random numbers and writes to the problem's own logs, where each clip's best candidate stays.

    Returns:
        Name of the stage that heard each clip's best candidate, None where nothing was heard.
    """
    winners: list[str | None] = [None] * len(problem.clean)
    done = 0
    for number, stage in enumerate(stages):
        rows = problem.unsolved() if number else list(range(len(problem.clean)))
        if rows and stage.steps:
            before = [problem.logs[row].best for row in rows]
            for row in rows:
                problem.note(row, stage=stage.name, step=problem.logs[row].steps)
            stage.search(problem.subset(rows, max_steps=stage.steps, draw=number, offset=done))
            for row, kept in zip(rows, before, strict=True):
                if problem.logs[row].best is not kept:
                    winners[row] = stage.name
        done += stage.steps
    return winners
