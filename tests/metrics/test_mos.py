"""DNSMOS: the package's own figure, once a clip, and less of it the more noise there is."""

from __future__ import annotations

import sys

import pytest
import torch
from speechlike import ROOT, tones

from voiceattack.audio import clips as audio
from voiceattack.metrics import METRICS, columns, measure
from voiceattack.metrics.mos import dnsmos, dnsmos_drop


def test_it_is_shown_where_it_was_measured_and_can_be_gated() -> None:
    assert {"dnsmos", "dnsmos_drop"} <= set(METRICS.names())
    assert {"dnsmos", "dnsmos_drop"} <= {metric.name for metric in columns("gates")}
    assert not {"dnsmos", "dnsmos_drop"} & {metric.name for metric in columns("results")}, "no null where it is not installed"


def test_where_it_is_not_installed_nothing_is_said_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "speechmos", None)
    monkeypatch.setitem(sys.modules, "speechmos.dnsmos", None)
    values, nulls = measure(tones(1), tones(2))
    assert not {"dnsmos", "dnsmos_drop"} & (values.keys() | nulls.keys()) and "snr_db" in values


@pytest.mark.slow
def test_noise_lowers_the_rating_of_a_real_recording() -> None:
    package = pytest.importorskip("speechmos.dnsmos", reason="speechmos is not installed (extra mos)")
    clean = audio.load(ROOT / "samples" / "command-46.flac")
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    noisy = [(clean + noise * clean.norm() / noise.norm() * 10 ** (-snr / 20)).clamp(-1, 1) for snr in (40, 20, 5)]
    drops = [dnsmos_drop(clean, one) for one in noisy]
    assert drops[0] < drops[1] < drops[2] and drops[2] > 0.5 and abs(drops[0]) < 0.3
    assert dnsmos(clean, noisy[1]) == pytest.approx(package.run(noisy[1].numpy(), 16_000)["ovrl_mos"])
    with pytest.raises(ValueError, match="no samples"):
        dnsmos(clean, torch.zeros(0))
