"""Clips without speech: the same bytes for a seed, at sane levels, of every kind."""

from __future__ import annotations

import pytest
import torch

from voiceattack.audio import clips as audio
from voiceattack.corpus.non_speech import KINDS, no_speech
from voiceattack.errors import SpecError


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_reproducible_and_neither_clipped_nor_silent(kind: str) -> None:
    wave = no_speech(kind, 2.0, seed=1)
    assert wave.dtype == torch.float32 and wave.shape == (2 * audio.SAMPLE_RATE,)
    assert torch.equal(wave, no_speech(kind, 2.0, seed=1)) and torch.equal(wave, audio.quantize16(wave))
    peak = float(wave.abs().max())
    assert peak == 0 if kind == "silence" else 1e-3 < peak < 0.99
    if kind != "silence":
        assert not torch.equal(wave, no_speech(kind, 2.0, seed=2))


def test_levels_and_colours() -> None:
    white, pink = no_speech("white-noise", 4.0), no_speech("pink-noise", 4.0)
    assert 20 * torch.log10(white.square().mean().sqrt()) == pytest.approx(-30, abs=0.1)
    low = [float(torch.fft.rfft(wave).abs().square()[: 4 * 1000].sum()) for wave in (white, pink)]
    high = [float(torch.fft.rfft(wave).abs().square()[4 * 4000 :].sum()) for wave in (white, pink)]
    assert low[0] / high[0] < 1 < 3 < low[1] / high[1]


def test_an_unknown_kind_lists_the_kinds() -> None:
    with pytest.raises(SpecError, match="room-tone"):
        no_speech("speech", 1.0)
