"""``cw``: what the conformance test does not ask of every attack."""

from __future__ import annotations

import torch
from speechlike import tones

from voiceattack.attacks import build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.audio import Batch
from voiceattack.constraints import Budget
from voiceattack.objectives import Objective
from voiceattack.victims import load_victim


def crafted(**params: object) -> list[Crafted]:
    victim, objective = load_victim("tiny"), Objective("targeted", "on")
    batch = Batch.of([tones(1), tones(2)])
    heard = [transcript.text for transcript in victim.transcribe(batch)]
    made = build_attack("cw", steps=60, start_snr_db=0, **params).craft(victim, batch, heard, objective, Budget(), [0, 1])
    assert all(isinstance(one, Crafted) for one in made)
    return [one for one in made if isinstance(one, Crafted)]


def test_stop_at_success_ends_each_clip_at_its_first_success() -> None:
    for stopped, whole in zip(crafted(stop_at_success=True), crafted(), strict=True):
        first = next(note["step"] for note in whole.trace if note.get("success"))
        assert stopped.steps == first < whole.steps == 60
        assert stopped.trace[-1]["success"]


def test_patience_waits_while_the_loss_falls_and_a_failed_search_keeps_its_nearest() -> None:
    """Patience counts from the last success, and before the first one from the last step that lowered the loss."""
    victim, objective = load_victim("tiny"), Objective("targeted", "zebras juggle quartz")
    clip = tones(3, 2.0)
    batch = Batch.of([clip])
    heard = [transcript.text for transcript in victim.transcribe(batch)]

    def craft(patience: int) -> Crafted:
        attack = build_attack("cw", steps=120, start_snr_db=10, patience=patience)
        (made,) = attack.craft(victim, batch, heard, objective, Budget(snr_db=10), [0])
        assert isinstance(made, Crafted)
        return made

    patient = craft(15)
    # The loss of the steps noted still falls after the patience was over, and so does the search.
    losses = [note["loss"] for note in patient.trace if note.get("loss") is not None]
    assert patient.steps > 50 and losses[1] < losses[0]
    assert patient.steps <= 120 and not torch.equal(patient.waveform, clip)
    last = patient.trace[-1]
    assert last["nearest"] == "wer_to_target" and last["reached"] > 0 and 0 < last["tokens_wrong"] <= 1
    # A loss that cannot fall ends it.
    stuck = build_attack("cw", steps=120, start_snr_db=80, patience=15).craft(
        victim, batch, heard, objective, Budget(snr_db=80), [0]
    )
    assert isinstance(stuck[0], Crafted) and stuck[0].steps < 120
