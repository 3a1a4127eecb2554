"""Untargeted searches that go toward what a victim writes when nothing is said."""

from __future__ import annotations

import pytest
import torch
from speechlike import tones

from voiceattack.attacks import build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.attacks.problem import Problem
from voiceattack.audio import Batch
from voiceattack.constraints import Budget
from voiceattack.objectives import Objective
from voiceattack.victims.ctc.tiny import TOKENS, TinyModel
from voiceattack.victims.ctc.victim import CTCVictim
from voiceattack.victims.ctc.vocabulary import Vocabulary


class Dreamer(CTCVictim):
    """``tiny`` with texts that it is said to hallucinate; it cannot say the one with a digit."""

    spec = "dreamer"
    hallucinations = ("1", "HI", "YES SIR")

    def __init__(self) -> None:
        super().__init__(TinyModel().eval(), Vocabulary(TOKENS, blank=0, delimiter="|"), torch.device("cpu"), batched=True)


def problem(objective: Objective, heard: list[str], victim: CTCVictim | None = None) -> Problem:
    batch = Batch.of([tones(seed) for seed in range(len(heard))])
    return Problem(victim or Dreamer(), batch, heard, objective, Budget(snr_db=20), list(range(len(heard))), max_steps=1)


def test_each_clip_aims_at_the_first_text_that_shares_no_word_with_it() -> None:
    away = problem(Objective(), ["AB CD", "HI THERE", "HI YES SIR"])
    retargeted = away.retargeted()
    assert (away.direction, retargeted.direction) == ("away", "toward")
    assert retargeted.texts == ["HI", "YES SIR", "HI"]  # all of them are in the last clip; the first of the most harmful stays
    assert retargeted.objective is away.objective and retargeted.logs is away.logs


@pytest.mark.parametrize("objective", [Objective("mute"), Objective("targeted", "AB")], ids=lambda o: o.kind)
def test_a_search_with_a_target_keeps_it(objective: Objective) -> None:
    task = problem(objective, ["AB CD"])
    assert task.retargeted() is task


def test_nothing_changes_when_not_asked_or_not_known() -> None:
    task = problem(Objective(), ["AB CD"])
    assert task.retargeted(False) is task
    victim = Dreamer()
    victim.hallucinations = ()
    task = problem(Objective(), ["AB CD"], victim)
    assert task.retargeted() is task


@pytest.mark.parametrize("name", ["pgd", "cw", "auto", "minimum-norm", "imperceptible"])
def test_success_is_still_judged_by_the_objective(name: str) -> None:
    victim = Dreamer()
    batch = Batch.of([tones(seed) for seed in range(2)])
    heard = [transcript.text for transcript in victim.transcribe(batch)]
    objective, budget = Objective(), Budget(snr_db=0)
    made = build_attack(name, steps=80).craft(victim, batch, heard, objective, budget, [0, 1])
    for clean, result in zip(heard, made, strict=True):
        assert isinstance(result, Crafted), result
        (again,) = victim.transcribe(Batch.of([result.waveform]))
        assert objective.succeeded(clean, again.text), (name, clean, again.text)
