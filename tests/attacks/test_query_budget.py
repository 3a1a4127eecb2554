"""The query budget: nothing is asked beyond it, and a search that it cuts short keeps its best."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from query_attack import Counting, Noises, registered, request
from speechlike import tones, write_clips

from voiceattack.attacks import build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.attacks.options import SearchOptions
from voiceattack.audio import Batch, load
from voiceattack.constraints import Budget
from voiceattack.craft import craft
from voiceattack.craft.estimate import estimate
from voiceattack.craft.replay import replay
from voiceattack.objectives import Objective
from voiceattack.victims import Transcript, Victim, load_victim


@pytest.fixture(autouse=True)
def noises() -> Iterator[None]:
    with registered():
        yield


class Deaf(Victim):
    """Hears one word in everything."""

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return [Transcript("word")] * len(batch)


def test_the_budget_stops_the_search_with_its_best(tmp_path: Path) -> None:
    clip = write_clips(tmp_path / "in", 1)[0]
    victim = Counting(costly=True)
    run = craft(request("counting", clip, queries=9, max_queries=4), tmp_path / "run", victim=victim)
    attacked = run.examples()[0]
    assert attacked.queries == 4 and victim.heard == 5, "four, and the clean clip"
    assert attacked.warnings == ["the search was cut short at max_queries=4"]
    assert attacked.sha256 is not None and attacked.recipe["max_queries"] == 4
    # What the search had found by then: the same as a search of that length finds.
    tiny = load_victim("tiny", "cpu")
    cut = craft(request("tiny", clip, queries=9, max_queries=4), tmp_path / "cut", victim=tiny)
    short = craft(request("tiny", clip, queries=4), tmp_path / "short", victim=tiny)
    waves = [load(run.path / str(run.examples()[0].audio)) for run in (cut, short)]
    assert torch.equal(*waves) and cut.id != short.id and short.examples()[0].warnings == []
    assert replay(cut, attacked.id, tiny).same
    assert estimate(request("counting", clip, queries=9, max_queries=4), victim=Counting()).queries == 5
    assert estimate(request("counting", clip, queries=3, max_queries=4), victim=Counting()).queries == 4


@pytest.mark.parametrize("name", ["boundary", "genetic", "hop-skip-jump", "kenansville", "nes", "spsa", "square"])
def test_a_search_that_the_budget_cut_short_says_so(name: str) -> None:
    """Whether it runs into the limit or sees it coming."""
    batch = Batch.of([tones(0)])
    attack = build_attack(name)
    (result,) = attack.craft(
        Deaf(),
        batch,
        ["word"],
        Objective(),
        Budget(snr_db=30) if attack.needs_budget else Budget(),
        [1],
        options=SearchOptions(max_queries=5),
    )
    assert isinstance(result, Crafted) and result.queries <= 5
    assert result.warnings.count("the search was cut short at max_queries=5") == 1
    (enough,) = build_attack("corruption:gain").craft(
        Deaf(), batch, ["word"], Objective(), Budget(), [1], options=SearchOptions(max_queries=1)
    )
    assert isinstance(enough, Crafted) and not enough.warnings, "it asks once and no more"


def test_the_budget_counts_clip_by_clip_whatever_the_attack_asks_at_once() -> None:
    tiny = load_victim("tiny", "cpu")
    batch = Batch.of([tones(0), tones(1)])
    clean = [heard.text for heard in tiny.transcribe(batch)]
    for attack, objective in ((Noises(queries=50), Objective(wer_threshold=50.0)), (build_attack("random-search"), Objective())):
        for most in (1, 7):
            results = attack.craft(
                tiny, batch, clean, objective, Budget(snr_db=60), [1, 2], options=SearchOptions(max_queries=most)
            )
            assert isinstance(results[0], Crafted) and results[0].queries == most
    unlimited = Noises(queries=3).craft(tiny, batch, clean, Objective(), Budget(snr_db=60), [1, 2])
    assert [result.queries for result in unlimited] == [3, 3]


def test_more_candidates_than_the_budget_has_queries_for() -> None:
    """A population larger than what is left: the first of it are heard and count."""
    from voiceattack.attacks.clip_log import OutOfQueries
    from voiceattack.attacks.problem import Problem

    victim = load_victim("tiny", "cpu")
    batch = Batch.of([tones(0)])
    clean = [heard.text for heard in victim.transcribe(batch)]
    problem = Problem(victim, batch, clean, Objective(), Budget(snr_db=10), [1], 0, options=SearchOptions(max_queries=3))
    noise = torch.randn(5, batch.waveforms.shape[1], generator=torch.Generator().manual_seed(0))
    with pytest.raises(OutOfQueries):
        problem.hear(problem.realize(noise, [0] * 5), [0] * 5)
    assert problem.logs[0].queries == 3 and problem.queries_left(0) == 0 and problem.logs[0].best is not None
    with pytest.raises(OutOfQueries):
        problem.score(batch.waveforms, [0])
    assert problem.logs[0].queries == 3


def test_what_was_paid_before_an_error_is_recorded(tmp_path: Path) -> None:
    clip = write_clips(tmp_path / "in", 1)[0]
    run = craft(request("counting", clip), tmp_path / "run", victim=Counting(fails_at=4))
    (failed,) = run.examples()
    assert failed.error == "gone" and failed.queries == 3
