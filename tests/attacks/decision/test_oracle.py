"""Decision-based attacks: judged from transcripts alone, counted exactly, the quietest that fools kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from speechlike import tones

from voiceattack.attacks import build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.attacks.decision.foolbox import Space
from voiceattack.attacks.decision.mdct import BINS, bands, mdct, synthesis
from voiceattack.attacks.options import SearchOptions
from voiceattack.audio import Batch
from voiceattack.audio import clips as audio
from voiceattack.constraints import Budget
from voiceattack.errors import AttackError
from voiceattack.metrics.signal import snr_db
from voiceattack.objectives import Objective
from voiceattack.victims import Victim, load_victim
from voiceattack.victims.base import Transcript

QUERIES = 40
NAMES = ["boundary", "hop-skip-jump", "pointwise", "tf-evolution"]
PARAMS = {"hop-skip-jump": {"probes": 8}}


class Listener(Victim):
    """A victim that keeps what it was asked."""

    def __init__(self, inner: Victim) -> None:
        self.inner, self.spec = inner, inner.spec
        self.asked: list[tuple[torch.Tensor, str]] = []

    def transcribe(self, batch: Batch) -> list[Transcript]:
        heard = self.inner.transcribe(batch)
        self.asked += [(clip.clone(), one.text) for clip, one in zip(batch.clips(), heard, strict=True)]
        return heard


class Hole(Victim):
    """Says two words until nine tenths of the clip's energy from 1 to 2 kHz are gone: the quietest way to fool it is known."""

    spec = "hole"

    def __init__(self, clean: torch.Tensor) -> None:
        self.energy = self.inside(clean).square().sum()

    @staticmethod
    def inside(wave: torch.Tensor) -> torch.Tensor:
        return mdct(wave)[:, 32:64]

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return [
            Transcript("open sesame" if float(self.inside(clip).square().sum()) > 0.1 * float(self.energy) else "no idea")
            for clip in batch.clips()
        ]


@pytest.fixture
def victim() -> Listener:
    return Listener(load_victim("tiny", device="cpu"))


def craft(victim: Victim, clips: list[torch.Tensor], name: str, seeds: list[int], **more: object) -> list[Crafted]:
    budget, objective = more.pop("budget", Budget()), more.pop("objective", Objective())
    options = SearchOptions(max_queries=more.pop("max_queries", None))  # type: ignore[arg-type]
    batch = Batch.of(clips)
    clean = [victim.transcribe(Batch.of([clip]))[0].text for clip in clips]
    attack = build_attack(name, **{"queries": QUERIES, **PARAMS.get(name, {}), **more})
    results = attack.craft(victim, batch, clean, objective, budget, seeds, options=options)  # type: ignore[arg-type]
    assert all(isinstance(result, Crafted) for result in results), results
    return results  # type: ignore[return-value]


@pytest.mark.parametrize("name", NAMES)
def test_queries_are_transcriptions_and_the_quietest_that_fooled_is_kept(name: str, victim: Listener) -> None:
    clip = tones(3)
    (result,) = craft(victim, [clip], name, [7])
    said, asked = victim.asked[0][1], victim.asked[1:]
    assert result.queries == len(asked) <= QUERIES
    fooled = [snr_db(clip, wave) for wave, text in asked if Objective().succeeded(said, text)]
    assert fooled, "nothing fooled, so nothing is tested"
    assert snr_db(clip, result.waveform) == max(fooled)
    heard = victim.transcribe(Batch.of([result.waveform]))[0].text
    assert Objective().succeeded(said, heard)
    levels = [line["snr_db"] for line in result.trace if "success" in line]
    assert levels == sorted(levels) and len(levels) > 1


@pytest.mark.parametrize("name", NAMES)
def test_a_clip_depends_on_its_seed_alone_and_leaves_the_global_generators_alone(name: str, victim: Listener) -> None:
    clips = [tones(3), tones(4, 0.5)]
    state, legacy = torch.get_rng_state(), np.random.get_state()
    together = craft(victim, clips, name, [7, 8])
    assert torch.equal(torch.get_rng_state(), state)
    after = np.random.get_state()
    assert np.array_equal(after[1], legacy[1]) and after[2:] == legacy[2:]
    torch.manual_seed(99)
    np.random.seed(99)
    for clip, seed, one in zip(clips, [7, 8], together, strict=True):
        (alone,) = craft(victim, [clip], name, [seed])
        assert torch.equal(alone.waveform, one.waveform) and alone.queries == one.queries


@pytest.mark.parametrize("name", NAMES)
def test_fewer_queries_are_the_beginning_of_more(name: str, victim: Listener) -> None:
    (short,) = craft(victim, [tones(3)], name, [7], max_queries=25)
    (long,) = craft(victim, [tones(3)], name, [7])
    assert short.queries == 25
    assert [line for line in long.trace if line["step"] <= 25] == short.trace


@pytest.mark.parametrize("name", NAMES)
def test_what_fools_outside_the_budget_is_made_quieter_until_it_fits(name: str, victim: Listener) -> None:
    clip = tones(3)
    (result,) = craft(victim, [clip], name, [7], budget=Budget(snr_db=90))
    assert snr_db(clip, result.waveform) >= 90 and "outside the budget" in result.warnings[0]
    assert not torch.equal(result.waveform, clip) and result.trace[-1]["nearest"] == "times_over_budget"
    (result,) = craft(victim, [clip], name, [7], budget=Budget(snr_db=5))
    assert snr_db(clip, result.waveform) >= 5 and not result.warnings


def test_where_nothing_fools_the_nearest_start_is_kept(victim: Listener) -> None:
    (result,) = craft(victim, [tones(3)], "tf-evolution", [7], objective=Objective(wer_threshold=1e6))
    assert not torch.equal(result.waveform, tones(3)) and "no starting point" in result.warnings[0]
    last = result.trace[-1]
    assert last["nearest"] == "wer_from_clean" and 0 < last["reached"] < last["wanted"] == 1e6


def test_the_evolution_finds_what_alone_matters() -> None:
    generator = torch.Generator().manual_seed(2)
    envelope = torch.logspace(0, -2, BINS)
    clip = audio.quantize16(0.3 * synthesis(torch.randn(51, BINS, generator=generator) * envelope, 12_800))
    victim = Hole(clip)
    least = 10 * torch.log10(clip.square().sum() / (0.47 * victim.energy))  # all of it scaled to a root of a tenth
    (result,) = craft(victim, [clip], "tf-evolution", [7], queries=250)
    start = max(line["snr_db"] for line in result.trace if "start" in line)
    reached = float(snr_db(clip, result.waveform))
    assert reached > start + 0.5 * (float(least) - start), (start, reached, float(least))


@pytest.mark.parametrize("name", NAMES)
def test_toward_a_text_from_a_recording_of_it(name: str, victim: Listener, tmp_path: Path) -> None:
    path, clip = tmp_path / "said.wav", tones(3)
    audio.save(path, tones(5))
    target = victim.transcribe(Batch.of([tones(5)]))[0].text
    objective = Objective("targeted", target)
    (result,) = craft(victim, [clip], name, [7], objective=objective, start=str(path))
    assert victim.transcribe(Batch.of([result.waveform]))[0].text == target
    assert snr_db(clip, result.waveform) > snr_db(clip, tones(5))


def test_a_start_that_cannot_be_is_refused_before_any_query(victim: Listener) -> None:
    with pytest.raises(AttackError, match="start=FILE"):
        build_attack("boundary").check(victim, Objective("targeted", "purple elephants"), Budget())
    build_attack("boundary").check(victim, Objective("targeted", "turn on the kitchen lamp"), Budget())
    with pytest.raises(AttackError, match="no such file"):
        build_attack("tf-evolution", start="nowhere.wav").check(victim, Objective(), Budget())
    assert not victim.asked


def test_time_and_frequency_keep_energies_and_lead_back() -> None:
    for samples in (256, 9600, 12_345):
        signal = torch.randn(samples, generator=torch.Generator().manual_seed(samples))
        coefficients = mdct(signal)
        assert torch.allclose(coefficients.square().sum(), signal.square().sum(), rtol=1e-4)
        assert torch.allclose(synthesis(coefficients, samples), signal, atol=1e-4)
    edges = bands(12, 16_000)
    assert edges[0] == 0 and edges[-1] == BINS and len(edges) == 13 and edges == sorted(set(edges))


@pytest.mark.parametrize("cells", [False, True])
def test_distances_in_the_searched_space_are_the_perturbations(cells: bool) -> None:
    clean, delta = tones(3), 0.1 * (tones(4) - tones(3))
    space = Space(clean, delta, 16_000, cells=cells)
    assert torch.allclose(space.delta(space.start), delta, atol=1e-5)
    assert float(space.delta(space.origin).abs().max()) < 1e-6
    assert float(space.start.min()) >= 0 and float(space.start.max()) <= 1
    half = (space.start + space.origin) / 2
    ratio = space.delta(half).norm() / space.delta(space.start).norm()
    assert abs(float(ratio) - 0.5) < 1e-3
