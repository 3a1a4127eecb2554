"""Figures of degradation by hand."""

from __future__ import annotations

import pytest

from voiceattack.metrics.degradation import nwerd, quality_loss, snr_at_wer, werd, werv
from voiceattack.report.console import number


def test_nwerd_by_hand() -> None:
    # WER 0.1 clean; 0.2, 0.3, 0.5 and 0.9 over the severities: added 0.1 + 0.2 + 0.4 + 0.8 = 1.5.
    # PESQ 3.92, 3.2, 2.48 and 1.04 lose 0.2, 0.4, 0.6 and 1.0 of the range 1.04 to 4.64: 2.2 in all.
    losses = [quality_loss(pesq) for pesq in (3.92, 3.2, 2.48, 1.04)]
    assert losses == pytest.approx([0.2, 0.4, 0.6, 1.0])
    assert nwerd([0.1, 0.2, 0.4, 0.8], losses) == pytest.approx(1.5 / 2.2)
    assert werd(0.3, 0.1) == pytest.approx(0.2)
    assert nwerd([-0.05], [0.5]) == pytest.approx(-0.1), "a victim may hear better"


def test_quality_is_lost_within_its_range() -> None:
    assert quality_loss(4.64) == 0 and quality_loss(5) == 0 and quality_loss(1.0) == 1


def test_nwerd_needs_a_loss_a_severity() -> None:
    with pytest.raises(ValueError, match="as many"):
        nwerd([0.1], [])
    with pytest.raises(ValueError, match="nothing to divide by"):
        nwerd([0.1], [0.0])


def test_werv_by_hand() -> None:
    assert werv([0.1, 0.2, 0.3]) == pytest.approx(0.02 / 3)
    assert werv([0.4, 0.4]) == 0
    with pytest.raises(ValueError, match="two draws"):
        werv([0.1])


def test_the_snr_of_a_wer_is_interpolated() -> None:
    snrs = [30, 20, 10, 0]
    assert snr_at_wer(snrs, [0.0, 0.1, 0.3, 0.7]) == pytest.approx(5.0)
    assert snr_at_wer([0, 10, 20, 30], [0.7, 0.3, 0.1, 0.0]) == pytest.approx(5.0), "in any order"
    assert snr_at_wer(snrs, [0.1, 0.5, 0.6, 0.7]) == pytest.approx(20.0)
    assert snr_at_wer(snrs, [0.0, 0.1, 0.2, 0.4]) is None and snr_at_wer(snrs, [0.6, 0.7, 0.8, 0.9]) is None
    assert snr_at_wer(snrs, [0.4, 0.6, 0.3, 0.9]) == pytest.approx(25.0), "the first crossing, from the quiet side"
    with pytest.raises(ValueError):
        snr_at_wer(snrs, [0.1])


def test_a_number_that_rounds_to_zero_has_no_sign() -> None:
    assert [number(-0.004, 1), number(0.04, 1), number(-0.06, 1), number(None)] == ["0.0", "0.0", "-0.1", "-"]
