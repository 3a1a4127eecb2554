"""``cw``: what the conformance test does not ask of every attack."""

from __future__ import annotations

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
