"""Seconds to the first targeted success heard: voiceattack's ``cw`` against a plain Adam loop over the whole 30 s window.

Same process, same clips, same target, same SNR limit, clip by clip in turn. Both are judged by the victim's ordinary path on
16-bit samples and stop at their first success; who has none within the steps is charged all that was spent.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from voiceattack import audio
from voiceattack.attacks import build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.audio import Batch
from voiceattack.constraints import Budget
from voiceattack.corpus import Utterance, read_corpus
from voiceattack.objectives import Objective
from voiceattack.samples import samples_manifest
from voiceattack.victims import DifferentiableVictim, load_victim

__all__ = ["run"]

CHECK_EVERY = 10


@dataclass(frozen=True)
class Outcome:
    """What one search took, and whether it was heard to succeed."""

    seconds: float
    steps: int
    success: bool


def adam(
    victim: DifferentiableVictim, clean: Tensor, text: str, objective: Objective, budget: Budget, steps: int, lr: float
) -> Outcome:
    """The loop that a researcher writes first: Adam on the perturbation, cross-entropy of the target, clipped to the limit."""
    started = time.perf_counter()
    batch = Batch.of([clean]).to(victim.device)
    delta = torch.zeros_like(batch.waveforms, requires_grad=True)
    optimizer = torch.optim.Adam([delta], lr=lr)
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        victim.loss(batch.replace(batch.waveforms + delta), [text]).sum().backward()
        optimizer.step()
        with torch.no_grad():
            delta.copy_(budget.project(delta, batch))
        if step % CHECK_EVERY == 0:
            heard = victim.transcribe(batch.replace(audio.quantize16(batch.waveforms + delta.detach())))[0].text
            if objective.succeeded("", heard):
                return Outcome(time.perf_counter() - started, step, True)
    return Outcome(time.perf_counter() - started, steps, False)


def ours(victim: DifferentiableVictim, clean: Tensor, heard: str, objective: Objective, budget: Budget, steps: int) -> Outcome:
    started = time.perf_counter()
    attack = build_attack("cw", steps=steps, stop_at_success=True)
    (made,) = attack.craft(victim, Batch.of([clean]), [heard], objective, budget, [0])
    if not isinstance(made, Crafted):
        raise made
    seconds = time.perf_counter() - started
    again = victim.transcribe(Batch.of([made.waveform]).to(victim.device))[0].text
    return Outcome(seconds, made.steps, objective.succeeded(heard, again))


def run(inputs: list[str], spec: str, clips: int, steps: int, snr_db: float, target: str, lr: float) -> str:
    """The comparison as Markdown."""
    victim = load_victim(spec)
    if not isinstance(victim, DifferentiableVictim):
        raise SystemExit(f"{spec} gives no gradients")
    items = [item for item in read_corpus(inputs) if isinstance(item, Utterance)][:clips]
    objective, budget = Objective("targeted", target), Budget(snr_db=snr_db)
    text = victim.target_variants(target)[0]
    lines = [
        f'Victim `{spec}`, target "{target}", at least {snr_db:g} dB SNR, {steps} steps at most; Adam\'s rate {lr:g}. '
        "Seconds include each side's own hearings.",
        "",
        "| clip | Adam, whole window: s | steps | heard | voiceattack cw: s | steps | heard |",
        "| --- | --: | --: | --- | --: | --: | --- |",
    ]
    totals = [0.0, 0.0]
    for item in items:
        clean = audio.quantize16(audio.load(item.path))
        heard = victim.transcribe(Batch.of([clean]).to(victim.device))[0].text
        plain = adam(victim, clean, text, objective, budget, steps, lr)
        fast = ours(victim, clean, heard, objective, budget, steps)
        totals = [totals[0] + plain.seconds, totals[1] + fast.seconds]
        cells = [f"{o.seconds:.1f} | {o.steps} | {'target' if o.success else 'no'}" for o in (plain, fast)]
        lines.append(f"| {item.name} | {cells[0]} | {cells[1]} |")
    lines.append(f"| **all** | {totals[0]:.1f} | | | {totals[1]:.1f} | | **{totals[0] / totals[1]:.1f} times fewer seconds** |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("inputs", nargs="*", help="audio; samples/ by default")
    parser.add_argument("--victim", default="whisper-tiny.en")
    parser.add_argument("--clips", type=int, default=5)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--snr-db", type=float, default=35.0)
    parser.add_argument("--target", default="unlock the front door")
    parser.add_argument("--lr", type=float, default=5e-4)
    given = parser.parse_args()
    print(
        run(
            given.inputs or [str(samples_manifest())],
            given.victim,
            given.clips,
            given.steps,
            given.snr_db,
            given.target,
            given.lr,
        )
    )
