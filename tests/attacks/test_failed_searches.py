"""Every search that fails: it asks no more than it may, keeps its nearest candidate and says how near that came."""

from __future__ import annotations

import pytest
import torch
from conforming import FEW_STEPS, SEEDS, crafted

from voiceattack.attacks import ATTACKS, build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.attacks.options import SearchOptions
from voiceattack.audio import Batch
from voiceattack.constraints import Budget
from voiceattack.objectives import Objective
from voiceattack.victims import Transcript, Victim

pytestmark = pytest.mark.usefixtures("artefact")
HARD = {
    "untargeted": Objective(wer_threshold=50.0),
    "targeted": Objective("targeted", "zebras juggle quartz"),
}
SEARCHES = [name for name in ATTACKS.names() if name != "noise"]  # which asks the victim nothing


@pytest.mark.parametrize("name", ATTACKS.names())
def test_no_attack_asks_more_than_it_may(name: str, victim: Victim, batch: Batch) -> None:
    alone = Batch.of([list(batch.clips())[1]])
    clean = [transcript.text for transcript in victim.transcribe(alone)]
    attack = build_attack(name, **FEW_STEPS.get(name, {}))
    budget = Budget(snr_db=60)  # too quiet to be done at once
    (result,) = attack.craft(victim, alone, clean, Objective(), budget, SEEDS[:1], options=SearchOptions(max_queries=1))
    assert isinstance(result, Crafted) and result.queries <= 1, result
    assert budget.excess(next(iter(alone.clips())), result.waveform) <= 1.0


@pytest.mark.parametrize("kind", HARD)
@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_that_fails_keeps_its_nearest_candidate_and_says_how_near(
    name: str, kind: str, victim: Victim, batch: Batch
) -> None:
    """``no_effect`` is for what changed nothing though it should: a search that fails ends as ``held``, with a figure."""
    from_outside = name in ("boundary", "hop-skip-jump", "pointwise", "tf-evolution")
    if kind == "targeted" and from_outside:
        pytest.skip("starts at a recording of the target, and there is none of this one")
    params = {**FEW_STEPS.get(name, {}), **({"patience": 2} if name == "cw" else {})}
    budget = Budget(snr_db=45)
    clean = [transcript.text for transcript in victim.transcribe(batch)]
    results = build_attack(name, **params).craft(victim, batch, clean, HARD[kind], budget, SEEDS)
    for original, text, result in zip(batch.clips(), clean, results, strict=True):
        assert isinstance(result, Crafted), result
        (heard,) = victim.transcribe(Batch.of([result.waveform]))
        assert not HARD[kind].met(Transcript(text), heard), "not hard enough"
        assert not torch.equal(result.waveform, original), "the clean clip was kept"
        assert budget.excess(original, result.waveform) <= 1.0
        last = result.trace[-1]
        assert last["success"] is False and last["nearest"] == ("wer_from_clean" if kind == "untargeted" else "wer_to_target")
        assert last["wanted"] == (50.0 if kind == "untargeted" else 0.0)
        assert last["snr_db"] >= 44.9
        if last["reached"] is None:  # scored to the last query, so that it was never heard
            assert "scores" in build_attack(name).needs and isinstance(last["score"], float)
        elif not from_outside:  # these may have heard nothing within the budget
            assert last["heard"] == heard.text and last["reached"] == pytest.approx(
                abs(HARD[kind].nearness(text, heard.text)), abs=1e-4
            )


@pytest.mark.parametrize("name", ["boundary", "hop-skip-jump", "pointwise", "tf-evolution"])
def test_what_fools_outside_the_budget_is_made_quieter_until_it_fits(name: str, victim: Victim, batch: Batch) -> None:
    budget = Budget(snr_db=70)
    (result, _) = crafted(victim, batch, name, budget, Objective(), SEEDS)
    clean = next(iter(batch.clips()))
    assert not torch.equal(result.waveform, clean) and budget.excess(clean, result.waveform) <= 1.0
    last = result.trace[-1]
    assert last["nearest"] == "times_over_budget" and last["reached"] > 1.0 == last["wanted"]
    assert any("outside the budget" in text for text in result.warnings)
