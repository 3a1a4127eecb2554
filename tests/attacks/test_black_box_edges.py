"""Where a black-box search has nothing to find, or its victim does what no victim should: it ends, and says what happened."""

from __future__ import annotations

import pytest
import torch
from speechlike import tones

from voiceattack.attacks import build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.attacks.gradient.diversity import diverse
from voiceattack.attacks.options import SearchOptions
from voiceattack.audio import Batch
from voiceattack.constraints import Budget
from voiceattack.craft.clips import craft_clips
from voiceattack.errors import VictimError
from voiceattack.objectives import Objective
from voiceattack.victims import Transcript, Victim, load_victim

DECISIONS = ["boundary", "hop-skip-jump", "pointwise", "tf-evolution"]


class Silent(Victim):
    """Hears nothing."""

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return [Transcript("")] * len(batch)


class Restless(Victim):
    """Hears something else each time, even in the clean clip."""

    def __init__(self) -> None:
        self.heard = 0

    def transcribe(self, batch: Batch) -> list[Transcript]:
        self.heard += len(batch)
        return [Transcript(f"words {self.heard} {self.heard + 7}")] * len(batch)


class Falling(Victim):
    """Its program breaks at the sixth clip, in a way nobody foresaw."""

    def __init__(self) -> None:
        self.heard = 0

    def transcribe(self, batch: Batch) -> list[Transcript]:
        self.heard += len(batch)
        if self.heard >= 6:
            raise RuntimeError("device-side assert")
        return [Transcript("word")] * len(batch)


@pytest.mark.parametrize("name", DECISIONS)
def test_what_is_wanted_already_is_not_searched_for(name: str) -> None:
    clip = tones(0)
    (result,) = build_attack(name).craft(
        Silent(), Batch.of([clip]), [""], Objective("mute"), Budget(), [1], options=SearchOptions(max_queries=30)
    )
    assert isinstance(result, Crafted) and torch.equal(result.waveform, clip) and result.queries == 0
    assert result.warnings == ["the clean clip does what is wanted already, so that nothing was searched"]


@pytest.mark.parametrize("name", DECISIONS)
def test_a_victim_that_contradicts_itself_ends_the_search(name: str) -> None:
    (result,) = build_attack(name).craft(
        Restless(),
        Batch.of([tones(0, 0.3)]),
        ["nothing of the kind"],
        Objective(),
        Budget(),
        [1],
        options=SearchOptions(max_queries=60),
    )
    assert isinstance(result, Crafted) and 0 < result.queries <= 60


@pytest.mark.parametrize("name", ["square", "tf-evolution", "kenansville"])
def test_what_a_broken_victim_answered_is_counted(name: str) -> None:
    victim, attack = Falling(), build_attack(name)
    budget = Budget(snr_db=20) if attack.needs_budget else Budget()
    (error,) = craft_clips(victim, attack, [tones(0)], ["word"], Objective(), budget, [1])
    assert isinstance(error, Exception) and "device-side assert" in str(error)
    assert error.queries == victim.heard, "the one that broke was asked too"


def test_the_first_clip_out_of_queries_ends_no_other_search() -> None:
    victim = load_victim("tiny", device="cpu")
    clips = [tones(seed, 0.4) for seed in range(3)]
    batch = Batch.of(clips)
    heard = [transcript.text for transcript in victim.transcribe(batch)]
    never, attack = Objective(wer_threshold=50.0), build_attack("random-search")
    results = attack.craft(victim, batch, heard, never, Budget(snr_db=15), [1, 2, 3], options=SearchOptions(max_queries=12))
    for clip, text, seed, result in zip(clips, heard, (1, 2, 3), results, strict=True):
        assert isinstance(result, Crafted) and result.queries == 12
        assert result.warnings.count("the search was cut short at max_queries=12") == 1
        (alone,) = attack.craft(
            victim, Batch.of([clip]), [text], never, Budget(snr_db=15), [seed], options=SearchOptions(max_queries=12)
        )
        (own,) = build_attack("random-search", queries=12).craft(
            victim, Batch.of([clip]), [text], never, Budget(snr_db=15), [seed]
        )
        assert isinstance(alone, Crafted) and torch.equal(alone.waveform, result.waveform)
        assert isinstance(own, Crafted) and torch.equal(own.waveform, result.waveform) and not own.warnings


def test_a_search_that_ended_by_itself_was_not_cut_short() -> None:
    deaf, batch = Silent(), Batch.of([tones(0)])
    attack = build_attack("kenansville")
    (free,) = attack.craft(deaf, batch, ["word"], Objective("targeted", "other words"), Budget(), [1])
    assert isinstance(free, Crafted)
    exact = SearchOptions(max_queries=free.queries)
    (same,) = attack.craft(deaf, batch, ["word"], Objective("targeted", "other words"), Budget(), [1], options=exact)
    assert isinstance(same, Crafted) and not same.warnings
    (less,) = attack.craft(
        deaf,
        batch,
        ["word"],
        Objective("targeted", "other words"),
        Budget(),
        [1],
        options=SearchOptions(max_queries=free.queries - 1),
    )
    assert isinstance(less, Crafted) and less.warnings == [f"the search was cut short at max_queries={free.queries - 1}"]


def test_no_neighbour_changes_a_radius_or_a_shift() -> None:
    long, short = tones(1, 1.0), tones(2, 0.5)
    alone = Budget(masking_excess_db=4).search_radius(Batch.of([short]))
    beside = Budget(masking_excess_db=4).search_radius(Batch.of([long, short]))[1:]
    assert torch.allclose(alone, beside)
    padded = torch.cat([short, torch.zeros(len(short))])
    for seed in range(5):
        (one,) = diverse(short[None], [torch.Generator().manual_seed(seed)], 1.0)
        (other,) = diverse(padded[None], [torch.Generator().manual_seed(seed)], 1.0, [len(short)])
        assert torch.equal(other[: len(short)], one) and not other[len(short) :].any()


def test_scores_that_are_no_numbers_are_an_error() -> None:
    victim = load_victim("tiny", device="cpu")
    victim.loss = lambda batch, texts: torch.full((len(batch),), torch.nan)  # type: ignore[attr-defined, method-assign]
    batch = Batch.of([tones(0)])
    with pytest.raises(VictimError, match="NaN as the score"):
        build_attack("random-search").craft(
            victim, batch, ["word"], Objective(), Budget(snr_db=20), [1], options=SearchOptions(max_queries=5)
        )


def test_transfer_takes_no_steps_for_candidates_nobody_may_hear() -> None:
    (result,) = build_attack("transfer", surrogates="tiny", steps=40, searches=4, queries=20).craft(
        Silent(),
        Batch.of([tones(0)]),
        ["word"],
        Objective("targeted", "ab"),
        Budget(snr_db=20),
        [1],
        options=SearchOptions(max_queries=1),
    )
    assert isinstance(result, Crafted) and result.queries == 1 and result.steps == 10
    assert result.warnings == ["the search was cut short at max_queries=1"]
