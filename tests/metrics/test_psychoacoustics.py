"""The masking threshold: hand-computed values, and what must hold of any threshold."""

from __future__ import annotations

import math

import pytest
import torch
from speechlike import ROOT, tones

from voiceattack.audio import clips as audio
from voiceattack.metrics.masking import masking_excess_db, masking_excess_share
from voiceattack.metrics.psychoacoustics import N_FFT, absolute_threshold_db, bark, masking

HERTZ = torch.linspace(0, 8000, N_FFT // 2 + 1)


def tone(hertz: float, level: float = 0.5, samples: int = 16_384) -> torch.Tensor:
    return level * torch.sin(2 * math.pi * hertz / 16_000 * torch.arange(samples))


def noise(like: torch.Tensor, snr_db: float, seed: int = 0) -> torch.Tensor:
    random = torch.randn(like.shape, generator=torch.Generator().manual_seed(seed))
    return random / random.norm() * like.norm() * 10 ** (-snr_db / 20)


def test_bark_and_threshold_in_quiet_by_hand() -> None:
    assert float(bark(torch.tensor(1000.0))) == pytest.approx(8.51, abs=0.02)  # Zwicker's table: 8.5
    assert float(absolute_threshold_db(torch.tensor(1000.0))) == pytest.approx(3.64 - 6.5 * math.exp(-0.6 * 2.3**2) + 0.001)
    assert int(absolute_threshold_db(HERTZ).argmin()) * 7.8125 == pytest.approx(3300, abs=200)  # the ear's best


def test_silence_masks_nothing() -> None:
    threshold = masking(torch.zeros(1, 8000)).threshold_db[0]
    assert torch.allclose(threshold, absolute_threshold_db(HERTZ)[:, None].expand_as(threshold), atol=1e-3)


def test_a_tone_masks_as_the_standard_says() -> None:
    """At the masker: level - 0.275 z - 6.025. A Bark below: 27 dB slope and more; above: 17 dB a Bark at first."""
    frame = masking(tone(1000.0)[None]).threshold_db[0, :, 16]
    rates = bark(HERTZ)
    place = rates[128]
    assert float(frame[128]) == pytest.approx(96.0 - 0.275 * float(place) - 6.025, abs=0.3)
    above, below = (int((rates - (place + step)).abs().argmin()) for step in (0.9, -0.9))
    assert float(frame[128] - frame[above]) == pytest.approx(17 * float(rates[above] - place), abs=0.5)
    assert float(frame[128] - frame[below]) == pytest.approx((0.4 * 96 + 6) * float(place - rates[below]), abs=1.0)


def test_a_batch_is_its_clips() -> None:
    clips = torch.stack([tones(seed) for seed in range(3)])
    together = masking(clips)
    for row, clip in enumerate(clips):
        alone = masking(clip[None])
        assert torch.allclose(together.threshold_db[row], alone.threshold_db[0], atol=1e-3)


def test_loudness_of_the_file_does_not_matter() -> None:
    clip = tones(1)
    assert torch.allclose(masking(clip[None]).threshold_db, masking(0.25 * clip[None]).threshold_db, atol=0.01)


def test_gradients_reach_perturbation_and_clip() -> None:
    clip = tones(2)[None].requires_grad_(True)
    delta = noise(tones(2), 20)[None].requires_grad_(True)
    masking(clip).excess_db(delta).mean().backward()
    for leaf in (clip, delta):
        assert leaf.grad is not None and bool(torch.isfinite(leaf.grad).all()) and float(leaf.grad.abs().max()) > 0


def test_excess_grows_with_the_perturbation_and_is_zero_without() -> None:
    clip = tones(4)
    assert masking_excess_db(clip, clip) == masking_excess_share(clip, clip) == 0.0
    sizes = [masking_excess_db(clip, clip + noise(clip, snr)) for snr in (50, 40, 30, 20, 10)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1]
    assert 0.0 < masking_excess_share(clip, clip + noise(clip, 10)) <= 1.0


@pytest.mark.skipif(not (ROOT / "samples" / "manifest.jsonl").exists(), reason="no samples/ here: run scripts/make_samples.py")
def test_real_speech_hides_its_own_shape_better_than_white_noise() -> None:
    clip = audio.load(next(iter(sorted((ROOT / "samples").rglob("*.flac")))))
    shaped, white = clip * (1 + 10 ** (-25 / 20)), clip + noise(clip, 25.0)
    assert masking_excess_db(clip, shaped) < 0.5 * masking_excess_db(clip, white)


def test_undefined_on_silence() -> None:
    with pytest.raises(ValueError, match="digital silence"):
        masking_excess_db(torch.zeros(4000), torch.ones(4000) * 0.1)
