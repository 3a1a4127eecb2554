"""What every registered attack is asked on: few steps, two short clips, two seeds, the victim ``tiny``."""

from __future__ import annotations

from voiceattack.attacks import build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.audio import Batch
from voiceattack.constraints import Budget
from voiceattack.objectives import Objective
from voiceattack.victims import Victim

FEW_STEPS = {
    "pgd": {"steps": 6, "check_every": 2},
    "mi-fgsm": {"steps": 4, "check_every": 2},
    "cw": {"steps": 8},
    "auto": {"steps": 12},
    "imperceptible": {"steps": 24},
    "random-search": {"queries": 30},
    "square": {"queries": 12},
    "nes": {"queries": 16, "pairs": 2},
    "spsa": {"queries": 16, "pairs": 2},
    "genetic": {"queries": 12, "population": 4, "patience": 1, "looks": 3},
    "minimum-norm": {"steps": 12},
    "transfer": {"surrogates": "tiny", "steps": 8, "searches": 2, "check_every": 2, "queries": 4},
    "boundary": {"queries": 25},
    "hop-skip-jump": {"queries": 25, "probes": 4},
    "pointwise": {"queries": 25},
    "tf-evolution": {"queries": 25},
}
SEEDS = [11, 22]


def crafted(victim: Victim, batch: Batch, name: str, budget: Budget, objective: Objective, seeds: list[int]) -> list[Crafted]:
    clean = [transcript.text for transcript in victim.transcribe(batch)]
    results = build_attack(name, **FEW_STEPS.get(name, {})).craft(victim, batch, clean, objective, budget, seeds)
    for result in results:
        assert isinstance(result, Crafted), result
    return results  # type: ignore[return-value]
