"""Each limit alone, by hand: its range, its sizes, the band's and the window's edges, and the masking limit's searches."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from speechlike import tones

from voiceattack.audio import Batch
from voiceattack.constraints import Budget
from voiceattack.constraints.band import Band
from voiceattack.constraints.masking import Hiding
from voiceattack.constraints.window import Window, speech_mask
from voiceattack.errors import SpecError


def noise(seed: int = 3, size: float = 0.1) -> torch.Tensor:
    return torch.randn(tones(0).shape, generator=torch.Generator().manual_seed(seed)) * size


@pytest.mark.parametrize(
    ("name", "least", "most", "step"),
    [
        ("snr_db", -20.0, 120.0, 0.1),
        ("db_x", -120.0, 20.0, 0.1),
        ("linf", 1e-9, 1.0, 0.01),
        ("l2", 1e-9, 1e9, math.inf),
        ("masking_excess_db", 1e-9, 100.0, 0.1),
    ],
)
def test_ranges_hold_their_ends_and_no_more(name: str, least: float, most: float, step: float) -> None:
    for inside in (least, most):
        assert Budget(**{name: inside}).as_dict() == {name: inside}
    for outside in (0.0 if least > 0 else least - step, most + step, math.nan):
        with pytest.raises(SpecError, match=name):
            Budget(**{name: outside})


def test_which_limits_make_a_ball() -> None:
    asked: list[dict[str, Any]] = [{"snr_db": 9}, {"l2": 1}, {"linf": 0.1}, {"db_x": -9}, {"linf": 0.1, "l2": 1}, {"band": "0-9"}]
    assert [Budget(**limits).euclidean for limits in asked] == [True, True, False, False, True, True]
    assert Budget(snr_db=9, band="0-9", window="speech").support == Budget(band="0-9", window="speech")


def test_radii_by_hand() -> None:
    batch = Batch.of([torch.full((100,), 0.5), torch.full((25,), 0.2)])  # norms 5 and 1, peaks 0.5 and 0.2
    for limits, radii in (
        ({"snr_db": 20}, [0.5, 0.1]),
        ({"snr_db": -20}, [50, 10]),
        ({"l2": 0.3}, [0.3, 0.3]),
        ({"snr_db": 20, "l2": 0.3}, [0.3, 0.1]),
    ):
        assert Budget(**limits).l2_radius(batch).tolist() == pytest.approx(radii), limits  # type: ignore[union-attr]
        assert (
            Budget(**limits).search_radius(batch).tolist() == pytest.approx(radii) and Budget(**limits).linf_radius(batch) is None
        )
    for limits, radii in (
        ({"db_x": -20}, [0.05, 0.02]),
        ({"linf": 0.03}, [0.03, 0.03]),
        ({"db_x": -20, "linf": 0.03}, [0.03, 0.02]),
    ):
        assert Budget(**limits).linf_radius(batch).tolist() == pytest.approx(radii), limits  # type: ignore[union-attr]
        assert (
            Budget(**limits).search_radius(batch).tolist() == pytest.approx(radii) and Budget(**limits).l2_radius(batch) is None
        )


def test_under_a_masking_limit_alone_the_radius_is_that_of_noise_and_a_clips_own() -> None:
    budget, clips = Budget(masking_excess_db=1.0), [tones(0), tones(1)[:7000]]
    together = budget.search_radius(Batch.of(clips))
    alone = [float(budget.search_radius(Batch.of([clip]))[0]) for clip in clips]
    assert together.tolist() == pytest.approx(alone, rel=1e-3) and min(alone) > 0
    softer = Budget(masking_excess_db=0.2).search_radius(Batch.of(clips))
    assert bool((softer < together).all())


def test_excess_is_the_size_over_each_limit() -> None:
    clean = torch.full((100,), 0.5)
    changed = clean.clone()
    changed[:4] += 0.05  # peak 0.05, norm 0.1: 34 dB under the clip's norm of 5, 20 dB under its peak
    for limits, times in (
        ({"linf": 0.1}, 0.5),
        ({"linf": 0.01}, 5.0),
        ({"l2": 0.2}, 0.5),
        ({"db_x": -20}, 1.0),
        ({"db_x": 0}, 0.1),
        ({"db_x": -40}, 10.0),
        ({"snr_db": 20}, 0.2),
        ({"snr_db": 40}, 2.0),
        ({"snr_db": 40, "linf": 0.01}, 5.0),
        ({"window": "0-1"}, 0.0),
        ({"window": "0.0001-1"}, math.inf),
    ):
        assert Budget(**limits).excess(clean, changed) == pytest.approx(times, rel=1e-4), limits
        assert Budget(**limits).excess(clean, clean) == 0.0


def test_the_sum_stays_in_full_scale_on_both_sides() -> None:
    clean = torch.tensor([0.9, -0.9, 0.1, 0.0])
    fitted = Budget(linf=1.0).project(torch.tensor([[0.5, -0.5, -0.5, 0.5]]), Batch.of([clean]))[0]
    assert fitted.tolist() == pytest.approx([0.1, -0.1, -0.5, 0.5])


def test_a_band_keeps_its_frequencies_and_allows_a_tenth_and_rounding_outside() -> None:
    band, time = Band(1000, 2000), torch.arange(1600, dtype=torch.float64) / 16_000
    inside, outside = (torch.sin(2 * math.pi * hertz * time) for hertz in (1500, 4000))
    for edge in (1000, 2000):
        tone = torch.sin(2 * math.pi * edge * time)
        assert torch.allclose(band.inside(tone), tone, atol=1e-9), "both ends belong to it"
    assert torch.allclose(band.inside(inside + outside), inside, atol=1e-9)
    assert band.inside(inside[:1599]).shape == (1599,), "an odd length stays"
    for size in (0.1, 1 / 32768):
        change = size * outside[1:-1]  # of which the first and the last sample are zero
        nonzero = int((change != 0).sum())
        stray = float((change - band.inside(change)).norm())
        allowed = 0.1 * float(change.norm()) + math.sqrt(nonzero) * 0.5 / 32768
        assert band.excess(change) == pytest.approx(stray / allowed)
    assert band.excess(0.1 * outside) > 9 and band.excess(outside / 32768) < 2, "one step of 16 bits is mostly rounding"
    assert band.excess(0 * outside) == 0.0
    assert band.holds(inside + 0.04 * outside) and not band.holds(inside + 0.06 * outside)


def test_bands_and_windows_as_people_write_them() -> None:
    assert Band.parse(" 300 - 3400.5 ") == Band(300, 3400.5) and Band.parse("0-8000") == Band(0, 8000)
    assert [Window.parse(text) for text in ("speech", "0.5-1", "2-")] == [
        Window(None, math.inf),
        Window(0.5, 1.0),
        Window(2.0, math.inf),
    ]
    for parse, text in ((Band.parse, "300-300"), (Band.parse, "0-8001"), (Window.parse, "1-1")):
        with pytest.raises(SpecError, match=text):
            parse(text)


def test_what_fits_no_band_and_window_at_once_becomes_zero() -> None:
    batch = Batch.of([tones(0)])
    assert not bool(Budget(band="100-200", window="0.1-0.11").project(noise()[None], batch).any())


@pytest.mark.parametrize("limits", [{"window": "0.1-0.12"}, {"linf": 0.5}])
@pytest.mark.parametrize("limit_db", [0.01, 0.05])
def test_a_masking_limit_that_rounds_do_not_reach_is_reached_by_scaling(limits: dict[str, Any], limit_db: float) -> None:
    budget, clip = Budget(masking_excess_db=limit_db, **limits), tones(0)
    changed = clip + budget.project(noise(size=0.5)[None], Batch.of([clip]))[0]
    assert 0.5 < budget.excess(clip, changed) <= 1.0


@pytest.mark.parametrize("limit_db", [0.5, 2.0])
@pytest.mark.parametrize("size", [0.02, 0.2])
def test_a_perturbation_is_scaled_or_attenuated_no_more_than_the_masking_limit_asks(limit_db: float, size: float) -> None:
    hiding, clip, delta = Hiding(limit_db), tones(0), noise(size=size)
    quiet = 1e-3 * delta
    assert hiding.scale(clip, quiet) == 1.0 and hiding.attenuate(clip, quiet) is quiet
    factor = hiding.scale(clip, delta)
    assert hiding.holds(clip, factor * delta)
    assert hiding.excess_db(clip, factor * delta * 10 ** (0.02 / 20)) > 0.999 * limit_db, "0.02 dB more is over it"
    soft = hiding.attenuate(clip, delta)
    assert hiding.holds(clip, soft) and hiding.excess_db(clip, soft) > 0.7 * limit_db
    assert float(soft.norm()) > float((factor * delta).norm()), "bins that are hidden stay"


def test_speech_is_frames_no_softer_than_30_db_and_50_ms_around_them() -> None:
    clip = torch.zeros(32_000)
    # Frames of 400 samples every 160 from -200 on: 50 to 52 hold the sample 8120, and 45 to 57 are around them.
    for sample, first, last in ((8120, 7200, 9280), (8039, 7040, 9120)):
        clip[:] = 0
        clip[sample] = 0.5
        clip[20_000] = 0.5 * 10 ** (-31 / 20)
        assert speech_mask(clip).nonzero()[[0, -1], 0].tolist() == [first, last - 1]
        assert int(speech_mask(clip).sum()) == last - first
        clip[20_000] = 0.5 * 10 ** (-29 / 20)
        assert bool(speech_mask(clip)[20_000]) and not bool(speech_mask(clip)[15_000])
    assert not bool(speech_mask(torch.zeros(1000)).any()) and speech_mask(clip[:9001]).shape == (9001,)
