"""Seconds of one attack step over seconds of the bare forward and backward pass of the same victim and batch.

Both are timed in turn in one process, so that what else the machine does meets both alike; the ratio of the medians counts.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from dataclasses import dataclass
from typing import Any

import _common
import torch

from voiceattack.attacks import build_attack
from voiceattack.audio import Batch
from voiceattack.constraints import Budget
from voiceattack.objectives import Objective
from voiceattack.victims import DifferentiableVictim

__all__ = ["Overhead", "measure", "table"]

# A target that no attack reaches in a few steps, so that only steps are timed and no decode falls among them.
TARGET = "the quick brown fox jumps over the lazy dog near the river bank"
CASES: tuple[tuple[str, Objective, dict[str, Any], Budget], ...] = (
    ("pgd", Objective(), {"check_every": 1_000_000}, Budget(snr_db=40.0)),
    ("mi-fgsm", Objective(), {}, Budget(linf=0.001)),
    ("cw", Objective("targeted", TARGET), {}, Budget(snr_db=60.0)),
)


@dataclass(frozen=True)
class Overhead:
    """Medians in seconds, and peak memory of the process in MiB after the bare passes and after the attack."""

    attack: str
    batch: int
    step: float
    bare: float
    memory_bare: float
    memory_attack: float

    @property
    def ratio(self) -> float:
        return self.step / self.bare


def measure(victim: DifferentiableVictim, attack: str, clips: list[torch.Tensor], steps: int) -> Overhead:
    """Time ``steps`` attack steps, each followed by one bare pass."""
    _, objective, params, budget = next(case for case in CASES if case[0] == attack)
    if "tiny" in victim.spec and objective.kind == "targeted":
        objective = Objective("targeted", "ab" * 20)
    batch = Batch.of(clips)
    heard = [transcript.text for transcript in victim.transcribe(batch)]
    on_device = batch.to(victim.device)
    texts = [objective.text_for(victim, text) for text in heard]

    def bare() -> float:
        _synchronize(victim)
        started = time.perf_counter()
        victim.forward_backward(on_device, texts)
        _synchronize(victim)
        return time.perf_counter() - started

    for _ in range(2):
        bare()
    memory_bare = _peak(victim)
    stepped: list[float] = []
    passes: list[float] = []
    mark: float | None = None

    def on_step(done: int, most: int) -> None:
        nonlocal mark
        del most
        _synchronize(victim)
        if mark is not None and done > 1 and len(stepped) < steps - 1:
            stepped.append(time.perf_counter() - mark)
            passes.append(bare())
        mark = time.perf_counter()

    known = set(build_attack(attack).params)
    wanted = {name: value for name, value in {**params, "steps": steps}.items() if name in known}
    build_attack(attack, **wanted).craft(victim, batch, heard, objective, budget, list(range(len(clips))), on_step)
    return Overhead(attack, len(clips), statistics.median(stepped), statistics.median(passes), memory_bare, _peak(victim))


def _synchronize(victim: DifferentiableVictim) -> None:
    if victim.device.type == "cuda":
        torch.cuda.synchronize(victim.device)


def _peak(victim: DifferentiableVictim) -> float:
    if victim.device.type == "cuda":
        return torch.cuda.max_memory_allocated(victim.device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def table(rows: list[Overhead], victim: str) -> str:
    """Markdown."""
    lines = [
        f"Victim `{victim}`; seconds are medians. Peak memory is that of the process so far, so it never falls down the table.",
        "",
        "| attack | batch | step, s | forward + backward, s | ratio | peak before, MiB | peak after, MiB |",
        "| --- | --: | --: | --: | --: | --: | --: |",
    ]
    for row in rows:
        lines.append(
            f"| {row.attack} | {row.batch} | {row.step:.3f} | {row.bare:.3f} | **{row.ratio:.2f}** "
            f"| {row.memory_bare:.0f} | {row.memory_attack:.0f} |"
        )
    return "\n".join(lines) + "\n"


def run(victim: str = "whisper-tiny.en", clips: int = 4, steps: int = 10) -> str:
    """The table for every case, alone and in a batch of ``clips``."""
    hearing = _common.differentiable(victim)
    waveforms = [_common.clip(item) for item in _common.clips(clips)]
    return table([measure(hearing, case[0], waveforms[:size], steps) for size in (1, clips) for case in CASES], victim)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--victim", default="whisper-tiny.en")
    parser.add_argument("--clips", type=int, default=4, help="clips of the larger batch")
    parser.add_argument("--steps", type=int, default=16)
    print(run(**vars(parser.parse_args())))
