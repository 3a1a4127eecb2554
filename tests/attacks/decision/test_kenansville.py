"""``kenansville``: the smallest removal that fools, each probe one query."""

from __future__ import annotations

import pytest
import torch
from speechlike import ROOT, tones

from voiceattack.attacks import build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.attacks.options import SearchOptions
from voiceattack.audio import Batch, load, quantize16
from voiceattack.constraints import Budget
from voiceattack.errors import MissingExtraError
from voiceattack.metrics.signal import snr_db
from voiceattack.objectives import Objective
from voiceattack.victims import Transcript, Victim, load_victim


class Threshold(Victim):
    """Hears "word" above an SNR to the original, and in a band of SNRs under that; counts what it is asked."""

    spec = "threshold"

    def __init__(self, clean: Batch, falls_at: float, again: tuple[float, float] = (0.0, 0.0)) -> None:
        self.originals, self.falls_at, self.again = list(clean.clips()), falls_at, again
        self.asked = 0

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return [self._hear(clip) for clip in batch.clips()]

    def _hear(self, clip: torch.Tensor) -> Transcript:
        self.asked += 1
        snr = max(float(snr_db(original, clip)) for original in self.originals if len(original) == len(clip))
        heard = snr > self.falls_at or self.again[0] < snr < self.again[1]
        return Transcript("word" if heard else "bird")


def craft(
    victim: Victim, batch: Batch, budget: Budget | None = None, queries: int | None = None, **params: object
) -> list[Crafted]:
    results = build_attack("kenansville", **params).craft(
        victim,
        batch,
        ["word"] * len(batch),
        Objective(),
        budget or Budget(),
        [0] * len(batch),
        options=SearchOptions(max_queries=queries),
    )
    assert all(isinstance(result, Crafted) for result in results), results
    return results  # type: ignore[return-value]


def sizes(batch: Batch, results: list[Crafted]) -> list[float]:
    return [float(snr_db(clip, result.waveform)) for clip, result in zip(batch.clips(), results, strict=True)]


@pytest.mark.parametrize("falls_at", [47.3, 40.0, 21.7, 3.1])
@pytest.mark.parametrize(
    "params", [{}, {"segment_seconds": 0.1}, {"method": "ssa", "segment_seconds": 0.1, "window": 32}], ids=str
)
def test_the_smallest_removal_that_fools_is_found(falls_at: float, params: dict[str, object]) -> None:
    batch = Batch.of([tones(1), tones(2, seconds=0.5)])
    victim = Threshold(batch, falls_at)
    results = craft(victim, batch, resolution_db=0.1, **params)
    attack = build_attack("kenansville", **params)
    for clip, snr in zip(batch.clips(), sizes(batch, results), strict=True):
        components = attack._components(clip)
        # Components are whole: the removal before this one may lie well above.
        least = max(level for count in range(len(components)) if (level := components.snr_db(count)) <= falls_at)
        assert least - 0.3 < snr <= falls_at
    assert victim.asked == sum(result.queries for result in results)
    most = build_attack("kenansville", resolution_db=0.1).max_queries
    assert all(0 < result.queries <= most for result in results)


def test_a_victim_that_hears_again_under_its_fall_is_not_passed_over() -> None:
    """Bisection from the ends alone would find the second fall, 2 dB; the grid meets the first."""
    batch = Batch.of([tones(1)])
    (snr,) = sizes(batch, craft(Threshold(batch, 30.0, again=(2.0, 21.0)), batch))
    assert 29.0 < snr <= 30.0


def test_a_budget_is_the_most_that_is_removed() -> None:
    batch = Batch.of([tones(1)])
    victim = Threshold(batch, 18.0)
    (held,) = craft(victim, batch, Budget(snr_db=20))
    (fell,) = craft(victim, batch, Budget(snr_db=12))
    assert [entry["success"] for entry in held.trace] == [False] * len(held.trace)
    assert min(entry["snr_db"] for entry in held.trace) >= 20.0
    assert 17.0 < float(snr_db(tones(1), fell.waveform)) <= 18.0


def test_queries_are_spent_to_the_last_and_no_further() -> None:
    batch = Batch.of([tones(1), tones(2)])
    victim = Threshold(batch, 21.7)
    full = craft(victim, batch)
    needed = full[0].queries
    victim.asked = 0
    cut = craft(victim, batch, queries=needed - 1)
    assert [result.queries for result in cut] == [needed - 1] * 2 and victim.asked == 2 * (needed - 1)
    assert all(snr <= 21.7 for snr in sizes(batch, cut)), "the success heard before the cut is kept"
    (early, _) = craft(victim, batch, queries=2)
    assert any("max_queries=2" in warning for warning in early.warnings)


def test_clips_together_are_the_clips_alone() -> None:
    batch = Batch.of([tones(1), tones(2, seconds=0.5)])
    together = craft(Threshold(batch, 21.7), batch)
    for clip, result in zip(batch.clips(), together, strict=True):
        alone = Batch.of([clip])
        assert torch.equal(craft(Threshold(alone, 21.7), alone)[0].waveform, result.waveform)


def test_pocketsphinx_falls_before_everything_is_gone() -> None:
    try:
        victim = load_victim("pocketsphinx")
    except MissingExtraError as error:
        pytest.skip(str(error))
    batch = Batch.of([quantize16(load(ROOT / "samples" / "command-15.flac"))])
    heard = victim.transcribe(batch)[0].text
    attack = build_attack("kenansville", grid_db=10, resolution_db=5, segment_seconds=0.1)
    (result,) = attack.craft(victim, batch, [heard], Objective(), Budget(), [0])
    assert isinstance(result, Crafted) and result.queries == len(result.trace)
    assert any(entry["success"] for entry in result.trace)
    after = victim.transcribe(Batch.of([result.waveform]))[0].text
    assert Objective().succeeded(heard, after)
