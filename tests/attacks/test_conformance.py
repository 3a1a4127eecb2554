"""Every registered attack: finite, right length, on the 16-bit grid, within budget, repeatable, input untouched."""

from __future__ import annotations

import pytest
import torch
from conforming import FEW_STEPS, SEEDS, crafted

from voiceattack.attacks import ATTACKS, attacks_for, build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.audio import Batch, quantize16
from voiceattack.constraints import Budget
from voiceattack.errors import AttackError, SpecError, TargetError
from voiceattack.objectives import Objective
from voiceattack.victims import Victim

pytestmark = pytest.mark.usefixtures("artefact")
BUDGETS = [
    Budget(snr_db=30),
    Budget(linf=0.01),
    Budget(l2=0.3),
    Budget(snr_db=25, linf=0.02),
    Budget(db_x=-25, window="speech"),
    Budget(masking_excess_db=3.0, band="100-4000"),
]
HARDEST = BUDGETS[-1]  # to meet: projected in turns, each through a spectrum


@pytest.mark.parametrize("budget", BUDGETS, ids=str)
@pytest.mark.parametrize("name", ATTACKS.names())
def test_conformance(name: str, budget: Budget, victim: Victim, batch: Batch) -> None:
    before = batch.waveforms.clone()
    results = crafted(victim, batch, name, budget, Objective(), SEEDS)
    assert torch.equal(batch.waveforms, before), "the input was written to"
    for clean, result in zip(batch.clips(), results, strict=True):
        wave = result.waveform
        assert wave.dtype == torch.float32 and wave.shape == clean.shape
        assert bool(torch.isfinite(wave).all()) and float(wave.abs().max()) <= 1.0
        assert torch.equal(quantize16(wave), wave), "not on the 16-bit grid"
        assert budget.excess(clean, wave) <= 1.0, "over budget"
        attack = build_attack(name, **FEW_STEPS.get(name, {}))
        assert result.steps <= attack.max_steps and result.queries <= max(attack.max_queries, 1) + 1
    # A draw that does not come from the seed shows at any budget; at this one everything is done.
    again = crafted(victim, batch, name, budget, Objective(), SEEDS) if budget is HARDEST else results
    for one, other in zip(results, again, strict=True):
        assert torch.equal(one.waveform, other.waveform), "same seed, other bytes"


@pytest.mark.parametrize("name", ATTACKS.names())
def test_a_clip_alone_depends_on_nothing_else(name: str, victim: Victim, batch: Batch) -> None:
    """Crafted alone with its own seed, a clip gives the same bytes whatever ran before it."""
    alone = Batch.of([list(batch.clips())[1]])
    first = crafted(victim, alone, name, BUDGETS[0], Objective(), [SEEDS[1]])[0]
    crafted(victim, Batch.of([next(iter(batch.clips()))]), name, BUDGETS[0], Objective(), [SEEDS[0]])
    second = crafted(victim, alone, name, BUDGETS[0], Objective(), [SEEDS[1]])[0]
    assert torch.equal(first.waveform, second.waveform)


def test_noise_fills_its_snr(victim: Victim, batch: Batch) -> None:
    for clean, result in zip(batch.clips(), crafted(victim, batch, "noise", Budget(snr_db=30), Objective(), SEEDS), strict=True):
        snr = 20 * torch.log10(clean.norm() / (result.waveform - clean).norm())
        assert 30.0 <= float(snr) <= 30.05
    one, other = (
        crafted(victim, batch, "noise", Budget(snr_db=30), Objective(), seeds)[0].waveform for seeds in ([1, 2], [3, 4])
    )
    assert not torch.equal(one, other)


def test_silence_costs_its_own_clip_only(victim: Victim, batch: Batch) -> None:
    mixed = Batch.of([torch.zeros(8000), *batch.clips()])
    clean = [transcript.text for transcript in victim.transcribe(mixed)]
    results = build_attack("noise").craft(victim, mixed, clean, Objective(), Budget(snr_db=30), [1, *SEEDS])
    assert isinstance(results[0], AttackError) and "silence" in str(results[0])
    assert all(isinstance(result, Crafted) for result in results[1:])


def test_errors_name_what_would_work(victim: Victim) -> None:
    class HearsOnly(Victim):
        spec = "ears"

        def transcribe(self, batch: Batch) -> list:  # type: ignore[type-arg]
            raise AssertionError("never asked")

    with pytest.raises(AttackError, match=r"differentiates.*noise"):
        build_attack("pgd").check(HearsOnly(), Objective(), Budget(snr_db=30))
    assert "noise" in attacks_for(HearsOnly()) and "pgd" not in attacks_for(HearsOnly())
    with pytest.raises(AttackError, match="--snr-db"):
        build_attack("pgd").check(victim, Objective(), Budget())
    with pytest.raises(SpecError, match="stepz"):
        build_attack("pgd", stepz=3)
    with pytest.raises(SpecError, match="steps"):
        build_attack("pgd", steps=0)
    with pytest.raises(SpecError, match="did you mean 'pgd'"):
        build_attack("pdg")
    with pytest.raises(TargetError):
        build_attack("cw").check(victim, Objective("targeted", "привет"), Budget())
