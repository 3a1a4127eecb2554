"""``auto``: stages in turn, each clip's best, and warnings where the result cannot be believed."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
import torch
from speechlike import tones
from torch import Tensor

from voiceattack.attacks import build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.attacks.clip_log import disagreement, zero_gradients
from voiceattack.audio import Batch
from voiceattack.constraints import Budget
from voiceattack.objectives import Objective
from voiceattack.victims import Transcript, load_victim
from voiceattack.victims.base import DifferentiableVictim, Victim
from voiceattack.victims.ctc.tiny import TOKENS, TinyModel
from voiceattack.victims.ctc.victim import CTCVictim
from voiceattack.victims.ctc.vocabulary import Vocabulary

AWAY = ["pgd ce", "pgd margin", "pgd adam restart", "mi-fgsm"]
TOWARD = ["cw", "pgd ce", "pgd margin", "pgd adam restart"]


class Doctored(CTCVictim):
    """``tiny``, with what a test does to its input and to what it says."""

    spec = "doctored"

    def __init__(self, before: Any = None, said: Any = None) -> None:
        model = TinyModel().eval()

        def emissions(waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
            logits, frames = model(waveforms if before is None else before(waveforms), lengths)
            return logits, frames

        super().__init__(emissions, Vocabulary(TOKENS, blank=0, delimiter="|"), torch.device("cpu"), batched=True)
        self.said = said

    def transcribe(self, batch: Batch) -> list[Transcript]:
        heard = super().transcribe(batch)
        return heard if self.said is None else [Transcript(self.said(transcript.text)) for transcript in heard]


def craft(
    victim: Victim, budget: Budget, objective: Objective, name: str = "auto", clips: int = 3, **params: Any
) -> list[Crafted]:
    batch = Batch.of([tones(seed) for seed in range(clips)])
    heard = [transcript.text for transcript in victim.transcribe(batch)]
    made = build_attack(name, **params).craft(victim, batch, heard, objective, budget, list(range(clips)))
    assert all(isinstance(result, Crafted) for result in made), made
    return made  # type: ignore[return-value]


def won_by(result: Crafted) -> str | None:
    """The stage that succeeded; a search that failed says after it how near it came."""
    (line,) = [line for line in result.trace if "won" in line]
    won: str | None = line["won"]
    return won


def stages(result: Crafted) -> list[str]:
    return [line["stage"] for line in result.trace if "stage" in line]


@pytest.fixture(scope="module")
def victim() -> Victim:
    return load_victim("tiny", device="cpu")


@pytest.mark.parametrize(("objective", "names"), [(Objective(), AWAY), (Objective("targeted", "hello there"), TOWARD)])
def test_what_stands_goes_through_every_stage_and_no_further(victim: Victim, objective: Objective, names: list[str]) -> None:
    for result in craft(victim, Budget(snr_db=75), objective, steps=20):
        assert stages(result) == names and result.steps == 20
        assert won_by(result) is None and result.trace[-1]["success"] is False


@pytest.mark.parametrize("objective", [Objective(), Objective("targeted", "hi")], ids=lambda o: o.kind)
def test_a_clip_leaves_at_its_first_success(victim: Victim, objective: Objective) -> None:
    made = craft(victim, Budget(snr_db=0), objective, steps=200)
    names = AWAY if objective.kind == "untargeted" else TOWARD
    for result in made:
        end = result.trace[-1]
        assert end["success"] and end["won"] == stages(result)[-1] and stages(result) == names[: len(stages(result))]
        assert result.steps < 200 and result.warnings == []
    first = made[0].waveform
    assert objective.succeeded(victim.transcribe(Batch.of([tones(0)]))[0].text, victim.transcribe(Batch.of([first]))[0].text)


def test_clips_of_a_batch_leave_one_by_one(victim: Victim) -> None:
    """At a budget that only some clips withstand, the others take no more steps, and nobody's artefact is lost."""
    made = craft(victim, Budget(snr_db=51), Objective(), clips=8, steps=40)
    won = [result for result in made if won_by(result)]
    assert 0 < len(won) < len(made)
    assert {result.steps for result in made if not won_by(result)} == {40}
    assert all(result.steps < 40 for result in won)


def test_a_victim_with_a_loss_of_its_own_only(victim: Victim) -> None:
    class Own(DifferentiableVictim):
        spec = "own"

        def loss(self, batch: Batch, texts: Any) -> Tensor:
            assert isinstance(victim, CTCVictim)
            return victim.loss(batch, texts)

        def transcribe(self, batch: Batch) -> list[Transcript]:
            return victim.transcribe(batch)

    for result in craft(Own(), Budget(snr_db=75), Objective(), steps=12):
        assert stages(result) == ["pgd ce", "pgd ce restart", "pgd adam restart", "mi-fgsm"]
    assert all(result.trace[-1]["won"] for result in craft(Own(), Budget(snr_db=10), Objective(), steps=60))


def test_a_randomised_victim_is_flagged() -> None:
    turn = count()
    made = craft(Doctored(said=lambda text: f"{text} {'ab'[next(turn) % 2]}"), Budget(snr_db=30), Objective(), clips=1, steps=4)
    assert any("randomised victim" in text for text in made[0].warnings)
    assert not any(
        "randomised" in text for result in craft(Doctored(), Budget(snr_db=30), Objective(), steps=4) for text in result.warnings
    )


def test_a_victim_that_hides_its_gradient_is_flagged_twice() -> None:
    """Rounding to 6 bits kills the gradient; noise that is loud enough gets through. Two steps: no stage starts at random."""
    victim = Doctored(before=lambda waveforms: torch.round(waveforms * 32) / 32)
    for result in craft(victim, Budget(snr_db=0), Objective(), steps=2):
        assert any("zero gradients at every step" in text for text in result.warnings), result.warnings
        assert any("black box beats white box" in text for text in result.warnings), result.warnings
        assert result.trace[-1]["won"] == "noise" and result.trace[-1]["success"]


def test_a_victim_whose_loss_is_not_its_ear_is_flagged() -> None:
    """It says the same whatever it hears, while its loss moves: every attack's record tells, not only this one's."""
    deaf = Doctored(said=lambda text: "nothing new")
    for result in craft(deaf, Budget(snr_db=20), Objective(), "pgd", steps=8, check_every=1):
        assert any("loss and transcript disagree" in text for text in result.warnings), result.warnings
    for result in craft(Doctored(), Budget(snr_db=20), Objective(), "pgd", steps=8, check_every=1):
        assert result.warnings == []


def test_counts_become_warnings() -> None:
    assert zero_gradients(0, 0) is None and zero_gradients(1, 10) is None
    assert zero_gradients(2, 10) == "zero gradients at 2 of 10 steps"
    assert "every step" in str(zero_gradients(10, 10))
    assert disagreement(2, 2) is None and disagreement(5, 10) is None and "6 of 10" in str(disagreement(6, 10))
