"""Seconds to the first heard success of a targeted attack: one of voiceattack's attacks against a plain Adam loop.

The plain loop is what one would write first: a perturbation, ``torch.optim.Adam``, the teacher-forced cross-entropy over the
whole window, and a decode every 10 steps. Both get the same victim, clips, SNR budget and target in the same spelling, run in
turn clip by clip in one process, and stop when a transcript of their 16-bit candidate is the target. What they made is then
saved, read and heard once more, outside the clock.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import _common
import torch
from torch import Tensor

from voiceattack.attacks import build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.audio import Batch
from voiceattack.audio import clips as audio
from voiceattack.constraints import Budget
from voiceattack.metrics.signal import snr_db
from voiceattack.objectives import Objective
from voiceattack.victims import DifferentiableVictim

__all__ = ["Timed", "plain_adam", "run"]

CHECK_EVERY = 10
Maker = Callable[[Tensor], tuple[Tensor, int]]
"""Clean waveform to perturbed waveform and steps taken."""


@dataclass(frozen=True)
class Timed:
    """One clip through one tool: seconds and steps until it stopped, and whether its saved file is heard as the target."""

    seconds: float
    steps: int
    success: bool
    snr_db: float

    def __str__(self) -> str:
        return f"{self.seconds:.1f} | {self.steps}{'' if self.success else ' (not reached)'} | {self.snr_db:.1f}"


def likeliest(victim: DifferentiableVictim, batch: Batch, target: str) -> str:
    """The spelling of the target that voiceattack's attacks would aim at too."""
    variants = victim.target_variants(target)
    return max(variants, key=lambda variant: float(victim.score(batch, [variant])[0]))


def plain_adam(
    victim: DifferentiableVictim,
    clean: Tensor,
    text: str,
    reached: Callable[[str], bool],
    budget: Budget,
    steps: int,
    lr: float,
) -> tuple[Tensor, int]:
    """The plain loop, on one clip.

    Args:
        victim: what is attacked.
        clean: float (samples,).
        text: the text aimed at.
        reached: whether a transcript is a success.
        budget: which the perturbation is projected onto after each step; it must set an L2 radius (SNR or L2).
        steps: at most.
        lr: Adam's, as a fraction of the root mean square of a perturbation that fills the budget.

    Returns:
        The last candidate, float (samples,) on the 16-bit grid, and the steps taken.
    """
    batch = Batch.of([clean]).to(victim.device)
    radius = budget.l2_radius(batch)
    assert radius is not None
    delta = torch.zeros_like(batch.waveforms, requires_grad=True)
    optimizer = torch.optim.Adam([delta], lr=lr * float(radius[0]) / len(clean) ** 0.5)
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        victim.loss(batch.replace(batch.waveforms + delta), [text]).sum().backward()
        optimizer.step()
        with torch.no_grad():
            delta.copy_(budget.project(delta, batch))
        if step % CHECK_EVERY == 0 or step == steps:
            candidate = audio.quantize16(batch.waveforms + delta.detach())
            if reached(victim.transcribe(batch.replace(candidate))[0].text):
                break
    return candidate[0].cpu(), step


def timed(make: Maker, clean: Tensor, victim: DifferentiableVictim, reached: Callable[[str], bool]) -> Timed:
    """Run a tool under the clock; judge the saved file outside it."""
    started = time.perf_counter()
    made, steps = make(clean)
    seconds = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        saved = _common.save_and_load(made, Path(folder))
    success = reached(victim.transcribe(Batch.of([saved]))[0].text)
    return Timed(seconds, steps, success, float("inf") if torch.equal(saved, clean) else float(snr_db(clean, saved)))


def table(rows: list[tuple[str, Timed, Timed]], attack: str) -> str:
    """Markdown: a row a clip, the totals, and the clips that either tool did not reach."""
    lines = [
        f"| clip | plain, s | steps | SNR, dB | {attack}, s | steps | SNR, dB | ratio of seconds |",
        "| --- | --: | --: | --: | --: | --: | --: | --: |",
    ]
    lines += [f"| {name} | {plain} | {ours} | {plain.seconds / ours.seconds:.1f} |" for name, plain, ours in rows]
    slow, fast = sum(plain.seconds for _, plain, _ in rows), sum(ours.seconds for _, _, ours in rows)
    steps = [sum(pair[place].steps for pair in rows) for place in (1, 2)]
    lines += [f"| **all** | {slow:.1f} | {steps[0]} | | {fast:.1f} | {steps[1]} | | **{slow / fast:.1f}** |", ""]
    for place, tool in ((1, "the plain loop"), (2, attack)):
        missed = [pair[0] for pair in rows if not pair[place].success]
        lines.append(f"Not reached by {tool}: {', '.join(missed) or 'none'}.")
    return "\n".join(lines) + "\n"


def run(
    victim: str = "whisper-tiny.en",
    clips: int = 5,
    steps: int = 400,
    attack: str = "cw",
    target: str = "unlock the front door",
    snr_db: float = 35.0,
    lr: float = 0.2,
) -> str:
    """The comparison as Markdown.

    Args:
        victim: spec of a differentiable victim.
        clips: how many of ``samples/``.
        steps: at most a clip, for both.
        attack: a registered attack.
        target: what shall be heard.
        snr_db: the budget, for both.
        lr: of the plain loop, see :func:`plain_adam`.
    """
    hearing, objective, budget = _common.differentiable(victim), Objective("targeted", target), Budget(snr_db=snr_db)
    # A minimising attack is to begin at the budget, and to end where the plain loop ends.
    wanted = {"steps": steps, "start_snr_db": snr_db, "stop_at_success": True}
    crafter = build_attack(attack, **{name: value for name, value in wanted.items() if name in build_attack(attack).params})
    rows = []
    for item in _common.clips(clips):
        clean = _common.clip(item)
        batch = Batch.of([clean])
        # Outside the clock, and a warm-up: what is heard when clean, and the spelling aimed at.
        heard = hearing.transcribe(batch)[0].text
        text = likeliest(hearing, batch.to(hearing.device), target)
        hearing.forward_backward(batch.to(hearing.device), [text])

        def reached(transcript: str, heard: str = heard) -> bool:
            return objective.succeeded(heard, transcript)

        def plain(clean: Tensor, text: str = text, reached: Callable[[str], bool] = reached) -> tuple[Tensor, int]:
            return plain_adam(hearing, clean, text, reached, budget, steps, lr)

        def ours(clean: Tensor, batch: Batch = batch, heard: str = heard) -> tuple[Tensor, int]:
            (made,) = crafter.craft(hearing, batch, [heard], objective, budget, [0])
            if not isinstance(made, Crafted):
                raise made
            return made.waveform, made.steps

        rows.append((item.path.name, timed(plain, clean, hearing, reached), timed(ours, clean, hearing, reached)))
    return (
        f"{len(rows)} clips of samples/, {victim}, target {target!r}, SNR at least {snr_db:g} dB, at most {steps} steps. Plain: "
        f"Adam over the whole window, a decode every {CHECK_EVERY} steps, learning rate {lr:g} of the budget's root mean square. "
        f"A clip not reached counts with the seconds of all its steps. Goal: a ratio of at least 3.\n\n{table(rows, attack)}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--victim", default="whisper-tiny.en")
    parser.add_argument("--clips", type=int, default=5)
    parser.add_argument("--steps", type=int, default=400, help="at most a clip")
    parser.add_argument("--attack", default="cw", help="a registered attack")
    parser.add_argument("--target", default="unlock the front door")
    parser.add_argument("--snr-db", type=float, default=35.0, help="the budget of both")
    parser.add_argument("--lr", type=float, default=0.2, help="the plain loop's, in root mean squares of the budget")
    print(run(**vars(parser.parse_args())))
