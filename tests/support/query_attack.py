"""A black-box attack for tests of queries: so many noises are heard, and the one nearest to success is kept.

``python tests/support/query_attack.py OUT SPEC CLIP...`` crafts with it in a process of its own, to be killed.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from voiceattack.attacks import ATTACKS, base
from voiceattack.attacks.problem import Problem
from voiceattack.audio import Batch
from voiceattack.craft import craft
from voiceattack.craft.request import AttackRequest
from voiceattack.errors import VictimError
from voiceattack.victims import Transcript, Victim


class Noises(base.BudgetAttack):
    """Hears ``queries`` draws of noise."""

    name: ClassVar[str] = "noises"
    summary: ClassVar[str] = "draws of noise, heard one by one"
    needs: ClassVar[frozenset[str]] = frozenset({"hears"})

    class Params(base.Params):
        queries: int = Field(6, ge=1)

    config: Params

    @property
    def max_queries(self) -> int:
        return self.config.queries

    def search(self, problem: Problem) -> Tensor:
        generators = base.generators(problem)
        clean = problem.clean
        for _ in range(self.config.queries):
            noise = torch.stack([torch.randn(clean.waveforms.shape[1], generator=generator) for generator in generators])
            problem.hear(problem.realize(noise * clean.mask()), range(len(clean)))
        return problem.best()


class Counting(Victim):
    """Hears how many clips it has heard, so that asking again shows."""

    spec = "counting"

    def __init__(self, costly: bool = False, fails_at: int | None = None) -> None:
        self.costly, self.heard, self.fails_at = costly, 0, fails_at

    def transcribe(self, batch: Batch) -> list[Transcript]:
        assert len(batch) == 1, "clips are asked one by one"
        self.heard += 1
        if self.heard == self.fails_at:
            raise VictimError("gone")
        return [Transcript(f"clip number {self.heard}", {"score": 0.5})]

    def score(self, batch: Batch, texts: Sequence[str]) -> torch.Tensor:
        return torch.zeros(len(batch))


@contextlib.contextmanager
def registered() -> Iterator[None]:
    """``noises`` is known to this process for as long as this lasts: other tests ask for all that is registered."""
    ATTACKS.add("noises", "query_attack:Noises", Noises.summary)
    try:
        yield
    finally:
        del ATTACKS._entries["noises"]


def request(spec: str, *clips: str, queries: int = 6, **more: object) -> AttackRequest:
    """The request of the tests; nothing succeeds, so that every query is asked."""
    fields = {"attack": "noises", "params": {"queries": queries}, "budget": {"snr_db": 40}, **more}
    return AttackRequest(inputs=clips, victim=spec, wer_threshold=50.0, **fields)  # type: ignore[arg-type]


if __name__ == "__main__":
    with registered():
        craft(request(sys.argv[2], *sys.argv[3:]), sys.argv[1])
