"""Sanity checks of Carlini et al. 2019, "On evaluating adversarial robustness": what any sound attack must show."""

from __future__ import annotations

import pytest
import torch
from speechlike import ROOT, tones

from voiceattack.attacks import build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.audio import Batch, load, quantize16
from voiceattack.constraints import Budget
from voiceattack.objectives import Objective
from voiceattack.victims import DifferentiableVictim, LossConfig, load_victim

CLIPS = [tones(seed) for seed in range(8)]


@pytest.fixture(scope="module")
def tiny() -> DifferentiableVictim:
    victim = load_victim("tiny", device="cpu")
    assert isinstance(victim, DifferentiableVictim)
    return victim


def nearness(
    victim: DifferentiableVictim, clips: list[torch.Tensor], attack: str, objective: Objective, budget: Budget, **params: object
) -> list[float]:
    """How near the artefacts, heard, come to the objective."""
    batch = Batch.of(clips)
    clean = [transcript.text for transcript in victim.transcribe(batch)]
    results = build_attack(attack, **params).craft(victim, batch, clean, objective, budget, list(range(len(clips))))
    made = [result.waveform for result in results if isinstance(result, Crafted)]
    assert len(made) == len(clips)
    heard = victim.transcribe(Batch.of(made))
    return [objective.nearness(before, after.text) for before, after in zip(clean, heard, strict=True)]


@pytest.mark.parametrize("attack", ["pgd", "mi-fgsm"])
def test_more_steps_never_weaken(attack: str, tiny: DifferentiableVictim) -> None:
    few, many = (
        sum(nearness(tiny, CLIPS, attack, Objective(), Budget(snr_db=25), steps=steps, check_every=1, stop_at=9.0))
        for steps in (4, 40)
    )
    assert many >= few > 0


def test_more_steps_make_a_success_quieter_and_never_lose_it(tiny: DifferentiableVictim) -> None:
    batch = Batch.of(CLIPS)
    clean = [transcript.text for transcript in tiny.transcribe(batch)]
    loudness = []
    for steps in (10, 60):
        results = build_attack("cw", steps=steps, check_every=2).craft(
            tiny, batch, clean, Objective(), Budget(), [0] * len(CLIPS)
        )
        made = [result.waveform for result in results if isinstance(result, Crafted)]
        heard = tiny.transcribe(Batch.of(made))
        won = [Objective().succeeded(before, after.text) for before, after in zip(clean, heard, strict=True)]
        sizes = [float((wave - clip).norm()) for wave, clip in zip(made, CLIPS, strict=True)]
        loudness.append([size if success else float("inf") for size, success in zip(sizes, won, strict=True)])
    assert all(late <= early for early, late in zip(*loudness, strict=True))
    assert all(late < float("inf") for late in loudness[1])


@pytest.mark.parametrize("attack", ["pgd", "mi-fgsm", "cw"])
def test_an_unbounded_budget_reaches_every_clip(attack: str, tiny: DifferentiableVictim) -> None:
    reached = nearness(tiny, CLIPS, attack, Objective(), Budget(snr_db=-10), steps=60, check_every=2)
    assert all(value >= 0.5 for value in reached)


@pytest.mark.parametrize("attack", ["fgsm", "pgd", "mi-fgsm", "cw"])
def test_white_box_beats_noise_of_the_same_size(attack: str, tiny: DifferentiableVictim) -> None:
    params = {} if attack == "fgsm" else {"steps": 20, "check_every": 2}
    budget = Budget(snr_db=25)
    assert sum(nearness(tiny, CLIPS, attack, Objective(), budget, **params)) > sum(
        nearness(tiny, CLIPS, "noise", Objective(), budget)
    )


def test_a_larger_budget_never_weakens(tiny: DifferentiableVictim) -> None:
    reached = []
    for snr_db in (80, 45, 25):
        near = nearness(tiny, CLIPS, "pgd", Objective(), Budget(snr_db=snr_db), steps=30, check_every=2)
        reached.append(sum(value >= 0.5 for value in near))
    assert reached == sorted(reached) and reached[-1] == len(CLIPS) > reached[0]


def slope(victim: DifferentiableVictim, clip: torch.Tensor, text: str, config: LossConfig, size: float) -> tuple[float, float]:
    """The gradient's slope along its own direction, and the finite difference over ``size``."""
    batch = Batch.of([clip])
    waveforms = batch.waveforms.clone().requires_grad_(True)
    (grad,) = torch.autograd.grad(victim.attack_loss(batch.replace(waveforms), [text], config).loss.sum(), waveforms)
    step = size * grad / grad.norm()
    with torch.no_grad():
        ends = [victim.attack_loss(batch.replace(batch.waveforms + sign * step), [text], config).loss for sign in (1, -1)]
    return float(grad.norm()), float(ends[0] - ends[1]) / (2 * size)


@pytest.mark.parametrize("config", [LossConfig("toward", "ce"), LossConfig("away", "ce", 8.0)], ids=lambda c: c.direction)
def test_gradients_agree_with_finite_differences(config: LossConfig, tiny: DifferentiableVictim) -> None:
    text = "AB" if config.direction == "toward" else tiny.transcribe(Batch.of([CLIPS[0]]))[0].text
    gradient, difference = slope(tiny, CLIPS[0], text, config, 1e-4)
    assert gradient > 0 and difference == pytest.approx(gradient, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    "config", [LossConfig("toward", "margin", None, 1.0), LossConfig("away", "ce", 8.0)], ids=lambda c: c.kind
)
def test_whisper_gradients_agree_with_finite_differences(config: LossConfig, whisper: DifferentiableVictim) -> None:
    clip = quantize16(load(ROOT / "samples" / "command-04.flac"))
    text = "Lock the front door." if config.direction == "away" else "Call my sister."
    gradient, difference = slope(whisper, clip, text, config, 3e-4)
    assert gradient > 0 and difference == pytest.approx(gradient, rel=0.2)


@pytest.mark.slow
def test_whisper_falls_to_an_unbounded_budget_and_noise_does_not_explain_it(whisper: DifferentiableVictim) -> None:
    clips = [quantize16(load(ROOT / "samples" / f"command-{number:02d}.flac")) for number in (4, 14)]
    white = nearness(whisper, clips, "pgd", Objective(), Budget(snr_db=10), steps=20, check_every=10)
    noise = nearness(whisper, clips, "noise", Objective(), Budget(snr_db=10))
    assert all(value >= 0.5 for value in white) and sum(white) > sum(noise)
