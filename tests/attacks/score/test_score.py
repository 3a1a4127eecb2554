"""Black-box attacks on scores and transcripts: the grid of gains, gradient estimates, and what is asked of the victim."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
from speechlike import tones
from torch import Tensor

from voiceattack.attacks import build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.attacks.options import SearchOptions
from voiceattack.attacks.problem import Problem
from voiceattack.attacks.score.gain_grid import GainGrid
from voiceattack.attacks.score.genetic import momentum_rate
from voiceattack.attacks.score.gradient_estimate import antithetic, by_cells
from voiceattack.attacks.score.square import share_at
from voiceattack.audio import Batch, load, quantize16
from voiceattack.constraints import Budget
from voiceattack.metrics.signal import snr_db
from voiceattack.objectives import Objective
from voiceattack.victims import LossConfig, load_victim
from voiceattack.victims.base import DifferentiableVictim, Transcript, Victim
from voiceattack.victims.whisper.victim import WhisperVictim

SAMPLES = Path(__file__).parents[3] / "samples"
NAMES = ["square", "nes", "spsa", "genetic"]
FEW: dict[str, dict[str, Any]] = {
    "square": {},
    "nes": {"pairs": 3},
    "spsa": {"pairs": 3},
    "genetic": {"population": 6, "patience": 1, "looks": 3},
}
GRID: dict[str, float] = {"band_hz": 500, "slot_seconds": 0.096, "low_hz": 100, "high_hz": 4000, "whiten": 0.2}
NEVER = Objective(wer_threshold=50.0)  # no transcript is this far off, so that every query is asked
T = TypeVar("T")


class Counted(Victim):
    """The tiny victim as a black box, which counts the candidates that it was asked about, call by call.

    With ``scores`` it gives the log-likelihood of a text too.
    """

    spec = "counted"

    def __init__(self, scores: bool) -> None:
        tiny = load_victim("tiny", device="cpu")
        assert isinstance(tiny, DifferentiableVictim)
        self.tiny = tiny
        self.capabilities = frozenset({"hears", "scores"} if scores else {"hears"})  # type: ignore[misc]
        self.heard: list[int] = []
        self.scored: list[int] = []

    def transcribe(self, batch: Batch) -> list[Transcript]:
        self.heard.append(len(batch))
        return self.tiny.transcribe(batch)

    def score(self, batch: Batch, texts: Sequence[str]) -> Tensor:
        self.scored.append(len(batch))
        return self.tiny.score(batch, texts)


def driven(steps: Generator[Tensor, Tensor, T], value_of: Any) -> T:
    """The result of a search whose questions ``value_of`` answers."""
    try:
        asked = next(steps)
        while True:
            asked = steps.send(value_of(asked))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


def craft(victim: Victim, clips: list[Tensor], name: str, objective: Objective, snr: float = 20.0, **more: Any) -> list[Crafted]:
    batch = Batch.of(clips)
    asked: dict[str, Any] = {key: more.pop(key) for key in ("queries", "proposals") if key in more}
    clean = [transcript.text for transcript in victim.transcribe(batch)]
    seeds = more.pop("seeds", [3, 4][: len(clips)])
    made: list[Any] = build_attack(name, **{**FEW[name], **asked}).craft(
        victim, batch, clean, objective, Budget(snr_db=snr), seeds, **more
    )
    assert all(isinstance(one, Crafted) for one in made), made
    return made


def test_estimated_gradients_point_where_the_victims_own_gradient_points() -> None:
    victim, clip = load_victim("tiny", device="cpu"), tones(2)
    assert isinstance(victim, DifferentiableVictim)
    batch, text = Batch.of([clip]), victim.transcribe(Batch.of([clip]))[0].text
    generator = torch.Generator().manual_seed(1)
    # Forty directions in which the clip may be changed; the score as a function of how far in each.
    ways = torch.randn(40, len(clip), generator=generator) * 0.002

    def scores(points: Tensor) -> Tensor:
        candidates = batch.select([0] * len(points)).replace(clip + points @ ways)
        return -victim.attack_loss(candidates, [text] * len(points), LossConfig("away", "ce", 5.0)).loss

    point = (0.1 * torch.randn(40, generator=generator)).requires_grad_(True)
    (truth,) = torch.autograd.grad(scores(point[None]).sum(), point)
    point = point.detach()
    with torch.no_grad():
        value = float(scores(point[None])[0])
        for directions in (
            torch.randn(200, 40, generator=generator),
            torch.randint(0, 2, (200, 40), generator=generator).float() * 2 - 1,
        ):
            gradient = driven(antithetic(point, directions, 0.05), scores)
            assert float(torch.cosine_similarity(gradient, truth, dim=0)) > 0.8
        looked = driven(by_cells(point, value, torch.arange(40), 0.01), scores)
    assert float(torch.cosine_similarity(looked, truth, dim=0)) > 0.95


def test_what_was_not_asked_counts_for_nothing_in_an_estimate() -> None:
    directions = torch.eye(3)

    def values(asked: Tensor) -> Tensor:
        answers = asked @ torch.tensor([1.0, 2.0, 3.0])
        answers[-1] = float("-inf")
        return answers

    gradient = driven(antithetic(torch.zeros(3), directions, 0.1), values)
    assert gradient.tolist() == pytest.approx([1 / 3, 2 / 3, 0.0])


def test_a_gain_grids_perturbations_fill_the_radius_inside_the_band() -> None:
    clip = tones(4)
    grid = GainGrid(clip, 0.7, 16_000, **GRID)
    gains = torch.randint(0, 2, (3, grid.bands, grid.slots), generator=torch.Generator().manual_seed(2)).float() * 2 - 1
    waves = grid.perturbation(gains)
    assert waves.shape == (3, len(clip)) and torch.allclose(waves.norm(dim=1), torch.full((3,), 0.7), atol=1e-4)
    power = torch.fft.rfft(waves[0]).abs().square()
    hertz = torch.arange(len(power)) * 16_000 / len(clip)
    assert float(power[(hertz < 50) | (hertz > 4100)].sum() / power.sum()) < 0.02
    # One of a population is what it is alone, and nothing comes of nothing.
    assert torch.allclose(grid.perturbation(gains[1:2])[0], waves[1], atol=1e-6)
    assert not grid.perturbation(torch.zeros(1, grid.bands, grid.slots)).any()


def test_negative_gains_take_away_what_is_weak_and_positive_ones_fill_it() -> None:
    rate = 16_000
    time = torch.arange(rate) / rate
    noise = torch.randn(rate, generator=torch.Generator().manual_seed(3))
    clip = 0.3 * torch.sin(2 * torch.pi * 1000 * time) + 0.003 * noise
    grid = GainGrid(clip, 0.08 * float(clip.norm()), rate, **{**GRID, "whiten": 0.0})
    every = torch.ones(1, grid.bands, grid.slots)

    def level(wave: Tensor) -> float:  # from 2 to 3.5 kHz, where the clip is weak, away from its abrupt ends
        return float(torch.fft.rfft(wave * torch.hann_window(rate)).abs()[2000:3500].square().sum())

    assert level(clip + grid.perturbation(-every)[0]) < 0.2 * level(clip)
    assert level(clip + grid.perturbation(every)[0]) > 4 * level(clip)


@pytest.mark.parametrize("samples", [1, 40, 511, 700])
def test_a_grid_stands_on_clips_shorter_than_a_cell(samples: int) -> None:
    clip = tones(5)[1000 : 1000 + samples]
    grid = GainGrid(clip, 0.01, 16_000, **GRID)
    wave = grid.perturbation(torch.ones(2, grid.bands, grid.slots))
    assert wave.shape == (2, samples) and bool(torch.isfinite(wave).all())


@pytest.mark.parametrize("scores", [True, False], ids=["scores", "transcripts"])
@pytest.mark.parametrize("name", NAMES)
def test_queries_are_counted_exactly_and_held(name: str, scores: bool) -> None:
    victim, clips = Counted(scores), [tones(1), tones(2)[:9000]]
    made = craft(victim, clips, name, NEVER, queries=37)
    asked = sum(victim.heard) - len(clips) + sum(victim.scored)  # the clean clips were heard before
    assert sum(one.queries for one in made) == asked
    # The last is for the ear, where there is something that it has not heard.
    assert all(37 - scores <= one.queries <= 37 for one in made) and bool(victim.scored) == scores
    limited = craft(victim, clips, name, NEVER, queries=37, options=SearchOptions(max_queries=20))
    assert all(20 - scores <= one.queries <= 20 for one in limited)


@pytest.mark.parametrize("name", NAMES)
def test_one_query_is_heard(name: str) -> None:
    victim = Counted(scores=True)
    (made,) = craft(victim, [tones(1)], name, NEVER, queries=1)
    assert made.queries == 1 and victim.heard == [1, 1] and not victim.scored
    assert float(snr_db(tones(1), made.waveform)) == pytest.approx(20.0, abs=0.1)


@pytest.mark.parametrize(("name", "population"), [("nes", 6), ("spsa", 6), ("genetic", 6), ("square", 8)])
def test_populations_of_all_clips_are_asked_at_once(name: str, population: int) -> None:
    victim = Counted(scores=True)
    craft(victim, [tones(1), tones(2)], name, NEVER, queries=40, **({"proposals": 8} if name == "square" else {}))
    assert 2 * population in victim.scored


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_changes_no_clip(name: str) -> None:
    victim, clips = load_victim("tiny", device="cpu"), [tones(1), tones(2)[:9000]]
    together = craft(victim, clips, name, NEVER, queries=25, seeds=[3, 4])
    for clip, seed, expected in zip(clips, [3, 4], together, strict=True):
        (alone,) = craft(victim, [clip], name, NEVER, queries=25, seeds=[seed])
        assert torch.equal(alone.waveform, expected.waveform) and alone.queries == expected.queries


@pytest.mark.parametrize("scores", [True, False], ids=["scores", "transcripts"])
@pytest.mark.parametrize("name", NAMES)
def test_success_ends_the_search(name: str, scores: bool) -> None:
    victim = Counted(scores)
    (made,) = craft(victim, [tones(2)], name, Objective(), snr=3.0, queries=300)
    before = victim.tiny.transcribe(Batch.of([tones(2)]))[0].text
    after = victim.tiny.transcribe(Batch.of([made.waveform]))[0].text
    assert Objective().succeeded(before, after) and made.queries < 300


def test_a_token_lost_counts_no_further_and_no_neighbour_changes_a_score() -> None:
    victim = load_victim("tiny", device="cpu")
    batch = Batch.of([tones(1), tones(2)[:9000]])
    clean = [transcript.text for transcript in victim.transcribe(batch)]
    noise = 0.2 * torch.randn(3, batch.waveforms.shape[1], generator=torch.Generator().manual_seed(1))
    problem = Problem(victim, batch, clean, Objective(), Budget(snr_db=0), [1, 2], 0)
    candidates = problem.realize(noise, [1, 0, 1])
    values = problem.score(candidates, [1, 0, 1], cap=0.5)
    assert bool((values >= -0.5 - 1e-5).any()) and [log.queries for log in problem.logs] == [1, 2]
    alone = Problem(victim, batch.select([1]), clean[1:], Objective(), Budget(snr_db=0), [2], 0)
    assert torch.allclose(alone.score(candidates[[0, 2]], [0, 0], cap=0.5), values[[0, 2]], atol=1e-5)
    assert float(problem.score(candidates[:1], [1])[0]) < float(values[0])


def test_schedules() -> None:
    shares = [share_at(spent, 0.3) for spent in range(0, 4000, 7)]
    assert shares[0] == 0.3 and shares == sorted(shares, reverse=True) and shares[-1] == pytest.approx(0.3 / 64)
    rate = 0.02
    for _ in range(200):
        rate = momentum_rate(rate, 0.0, 0.02, 0.2)
    assert rate == 0.2 and momentum_rate(rate, 1.0, 0.02, 0.2) < 0.2


@pytest.mark.slow
def test_whisper_is_fooled_as_a_black_box_and_scored_alike_in_any_batch(whisper: WhisperVictim) -> None:
    victim = whisper
    clips = [quantize16(load(SAMPLES / name)) for name in ("command-01.flac", "sentence-01.flac")]
    batch = Batch.of(clips)
    clean = [transcript.text for transcript in victim.transcribe(batch)]
    noise = 0.02 * torch.randn(2, batch.waveforms.shape[1], generator=torch.Generator().manual_seed(1))
    problem = Problem(victim, batch, clean, Objective(), Budget(snr_db=15), [1, 2], 0)
    candidates = problem.realize(noise)
    values = problem.score(candidates, [0, 1], cap=5.0)
    alone = Problem(victim, Batch.of(clips[:1]), clean[:1], Objective(), Budget(snr_db=15), [1], 0)
    assert torch.allclose(alone.score(candidates[:1, : len(clips[0])], [0], cap=5.0), values[:1], atol=1e-4)
    # The victim's own loss over the whole window says the same.
    assert isinstance(victim, DifferentiableVictim)
    exact = victim.attack_loss(
        Batch.of(clips[:1]).replace(candidates[:1, : len(clips[0])]), clean[:1], LossConfig("away", cap=5.0)
    )
    assert torch.allclose(values[:1], exact.loss.detach(), atol=2e-3)
    (made,) = build_attack("square", queries=400).craft(
        victim, Batch.of(clips[:1]), clean[:1], Objective(), Budget(snr_db=12), [0]
    )
    assert isinstance(made, Crafted)
    assert Objective().succeeded(clean[0], victim.transcribe(Batch.of([made.waveform]))[0].text)
