"""A projection really projects, and a second one changes nothing."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceattack.audio import Batch, quantize16
from voiceattack.constraints import Budget
from voiceattack.errors import SpecError


def clips(seed: int, loudness: float) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return Batch.of([quantize16(torch.randn(n, generator=generator).clamp(-1, 1) * loudness) for n in (400, 160)])


budgets = st.builds(
    Budget,
    snr_db=st.none() | st.floats(-5, 60),
    linf=st.none() | st.floats(1e-3, 0.5),
    l2=st.none() | st.floats(1e-2, 10),
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
