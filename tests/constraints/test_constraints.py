"""A projection really projects, and a second one changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from speechlike import tones

from voiceattack.attacks.rounding import rounded_within
from voiceattack.audio import Batch, quantize16
from voiceattack.constraints import Budget
from voiceattack.errors import SpecError
from voiceattack.metrics.masking import masking_excess_db, masking_excess_max_db, strictly_masked
from voiceattack.metrics.signal import db_x

SHAPED = [
    Budget(band="300-3400"),
    Budget(band="500-4000", snr_db=20),
    Budget(window="speech", linf=0.01),
    Budget(window="0.1-0.3", db_x=-20),
    Budget(band="300-3400", window="0.1-0.4", snr_db=25),
    Budget(band="1000-4000", linf=0.005, window="speech"),
    Budget(masking_excess_db=0.5),
    Budget(masking_excess_db=2.0, band="200-4000"),
    Budget(masking_excess_db=1.0, window="0.05-", snr_db=15, db_x=-15),
    Budget(masking_excess_max_db=0.1),
    Budget(masking_excess_max_db=3.0, window="0.05-", linf=0.02),
    Budget(masking_excess_max_db=0.5, masking_excess_db=0.1, band="300-7000", snr_db=15),
    Budget(masking_excess_db=1.0, band="300-7000", window="0-0.4", snr_db=15, linf=0.02, l2=1.0, db_x=-15),
]


def speech() -> Batch:
    """Two clips of notes with pauses, so that windows and thresholds have something to follow."""
    first, second = tones(0), tones(1)
    first[:1500] *= 0.001
    return Batch.of([quantize16(first), quantize16(second[:7000])])


def clips(seed: int, loudness: float) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return Batch.of([quantize16(torch.randn(n, generator=generator).clamp(-1, 1) * loudness) for n in (400, 160)])


budgets = st.builds(
    Budget,
    snr_db=st.none() | st.floats(-5, 60),
    linf=st.none() | st.floats(1e-3, 0.5),
    l2=st.none() | st.floats(1e-2, 10),
    db_x=st.none() | st.floats(-60, 0),
)


@settings(deadline=None, max_examples=60)
@given(budget=budgets, seed=st.integers(0, 2**16), size=st.floats(1e-4, 2.0), loudness=st.floats(0.01, 1.0))
def test_projection_projects_and_is_idempotent(budget: Budget, seed: int, size: float, loudness: float) -> None:
    batch = clips(seed, loudness)
    delta = torch.randn(batch.waveforms.shape, generator=torch.Generator().manual_seed(seed + 1)) * size
    projected = budget.project(delta, batch)
    assert bool((projected[~batch.mask()] == 0).all()), "the padding was written to"
    assert float((batch.waveforms + projected).abs().max()) <= 1.0 + 1e-6
    for clean, changed in zip(batch.clips(), batch.replace(batch.waveforms + projected).clips(), strict=True):
        # float32 sums carry about 1e-7 of the clean sample; the tolerance is that, relative to small budgets
        assert budget.excess(clean, changed) <= 1.0 + 1e-3
    again = budget.project(projected, batch)
    torch.testing.assert_close(again, projected, rtol=1e-5, atol=1e-7)


def test_a_perturbation_within_budget_is_left_alone() -> None:
    batch = clips(0, 0.3)
    delta = torch.where(batch.mask(), torch.full_like(batch.waveforms, 1e-4), torch.zeros_like(batch.waveforms))
    projected = Budget(snr_db=20, linf=0.01).project(delta, batch)
    torch.testing.assert_close(projected, delta, rtol=0, atol=1e-7)


def test_snr_radius_is_the_definition() -> None:
    batch = Batch.of([torch.full((100,), 0.5)])
    # ||clean|| = 0.5 * 10 = 5; 20 dB is a tenth of it
    radius = Budget(snr_db=20).l2_radius(batch)
    assert radius is not None
    assert float(radius[0]) == pytest.approx(0.5)
    assert Budget(snr_db=20).excess(torch.full((100,), 0.5), torch.full((100,), 0.55)) == pytest.approx(1.0, rel=1e-4)


def test_silence_allows_nothing_under_snr() -> None:
    batch = Batch.of([torch.zeros(100)])
    assert float(Budget(snr_db=10).project(torch.ones(1, 100), batch).abs().max()) == 0.0
    assert Budget(snr_db=10).excess(torch.zeros(100), torch.full((100,), 0.1)) == float("inf")


@pytest.mark.parametrize("limits", [{"linf": 0.0}, {"linf": 1.5}, {"l2": -1.0}, {"snr_db": 500.0}])
def test_limits_out_of_range_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(SpecError, match="must"):
        Budget(**limits)


@pytest.mark.parametrize("size", [1e-4, 0.02, 0.5])
@pytest.mark.parametrize("budget", SHAPED, ids=lambda budget: " ".join(f"{k}={v}" for k, v in budget.as_dict().items()))
def test_band_window_and_masking_project_compose_and_are_idempotent(budget: Budget, size: float) -> None:
    batch = speech()
    delta = torch.randn(batch.waveforms.shape, generator=torch.Generator().manual_seed(3)) * size
    projected = budget.project(delta, batch)
    assert bool((projected[~batch.mask()] == 0).all()), "the padding was written to"
    assert float(projected.norm(dim=1).min()) > 0, "nothing is left"
    for clean, changed in zip(batch.clips(), batch.replace(batch.waveforms + projected).clips(), strict=True):
        assert budget.excess(clean, changed) <= 1.0 + 1e-3
    torch.testing.assert_close(budget.project(projected, batch), projected, rtol=1e-4, atol=1e-7)


def test_each_limit_means_what_its_name_says() -> None:
    """Against the metric or the definition, not against the code that projects."""
    batch = speech()
    noise = torch.randn(batch.waveforms.shape, generator=torch.Generator().manual_seed(4)) * 0.05
    clean, length = next(batch.clips()), int(batch.lengths[0])

    def projected(**limits: Any) -> torch.Tensor:
        return Budget(**limits).project(noise, batch)[0, :length]

    assert db_x(clean, clean + projected(db_x=-25)) == pytest.approx(-25, abs=0.01)
    assert masking_excess_db(clean, clean + projected(masking_excess_db=0.7)) <= 0.72
    assert 0.0 < masking_excess_max_db(clean, clean + projected(masking_excess_max_db=0.7)) <= 0.7
    windowed = projected(window="0.1-0.25")
    changed = windowed.nonzero()
    assert int(changed.min()) == 1600 and int(changed.max()) == 3999
    spectrum = torch.fft.rfft(projected(band="1000-2000")).abs().square()
    hertz = torch.linspace(0, 8000, len(spectrum))
    assert float(spectrum[(hertz < 990) | (hertz > 2010)].sum() / spectrum.sum()) < 1e-6
    quiet = projected(window="speech")[:500]
    assert bool((quiet == 0).all()) and bool((projected(window="speech")[2500:] != 0).any())


def test_band_and_window_alone_bound_no_size() -> None:
    assert not Budget(band="300-3400", window="speech")
    assert Budget(db_x=-30) and Budget(masking_excess_db=1.0)
    assert Budget(snr_db=30, band="300-3400").as_dict() == {"snr_db": 30, "band": "300-3400"}


@pytest.mark.parametrize(
    ("limits", "match"),
    [
        ({"band": "3400-300"}, "rise"),
        ({"band": "low"}, "LOW-HIGH"),
        ({"band": "100-9000"}, "8000"),
        ({"window": "2-1"}, "ends? after|after it starts"),
        ({"window": "always"}, "speech"),
        ({"db_x": -500.0}, "db_x"),
        ({"masking_excess_db": 0.0}, "masking_excess_db"),
        ({"masking_excess_max_db": -80.0}, "masking_excess_max_db"),
    ],
)
def test_wrong_shapes_are_refused(limits: dict[str, Any], match: str) -> None:
    with pytest.raises(SpecError, match=match):
        Budget(**limits)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**16), loudness=st.floats(0.003, 0.9), size=st.floats(1e-4, 0.5), quiet=st.floats(0.0, 1.0))
def test_what_is_strictly_masked_stays_so_when_it_is_rounded(seed: int, loudness: float, size: float, quiet: float) -> None:
    """Also in soft recordings and in their pauses, where rounding alone is louder than what hides."""
    clip = tones(seed % 5)
    clip[3000:5000] *= quiet
    batch = Batch.of([quantize16(clip * loudness / float(clip.abs().max()))])
    delta = torch.randn(batch.waveforms.shape, generator=torch.Generator().manual_seed(seed)) * size
    rounded = rounded_within(Budget(masking_excess_max_db=0.1), delta, batch)
    assert torch.equal(rounded, quantize16(rounded))
    assert strictly_masked(batch.waveforms[0], rounded[0]) == 1.0
    if loudness > 0.1:
        assert not torch.equal(rounded, batch.waveforms), "nothing is left"
