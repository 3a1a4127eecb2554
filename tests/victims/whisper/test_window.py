"""The short window, the front ends and ensembles, on the bundled Whisper."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from voiceattack.audio import Batch, load, quantize16
from voiceattack.errors import SpecError
from voiceattack.metrics.text import normalize
from voiceattack.victims import DifferentiableVictim, LossConfig, load_victim
from voiceattack.victims.whisper.frontends import DecodingMode, features, parse_modes
from voiceattack.victims.whisper.victim import WhisperVictim
from voiceattack.victims.whisper.window import decode, encode
from voiceattack.victims.wrappers.ensemble import EnsembleVictim

SAMPLES = Path(__file__).parents[3] / "samples"
CONFIGS = [LossConfig("away", "ce", 8.0), LossConfig("toward", "margin", None, 1.0)]


@pytest.fixture(scope="module")
def clip() -> torch.Tensor:
    return quantize16(load(SAMPLES / "command-01.flac"))


def perturbed(clip: torch.Tensor, snr_db: float) -> torch.Tensor:
    noise = torch.randn(len(clip), generator=torch.Generator().manual_seed(1))
    return clip + noise * clip.norm() / noise.norm() * 10 ** (-snr_db / 20)


def test_whole_window_equals_the_librarys_model(whisper: WhisperVictim, clip: torch.Tensor) -> None:
    ids = torch.tensor([[*whisper.model.prompt, *whisper.model.text_ids("Turn on the lamp.")]])
    mel = whisper.model.log_mel(clip[None])
    with torch.no_grad():
        expected = whisper.model.network(input_features=mel, decoder_input_ids=ids, use_cache=False).logits[:, 1:]
        got = decode(whisper.model.network, encode(whisper.model.network, mel), ids, 1)
    assert float((got - expected).abs().max()) < 1e-3


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind)
def test_short_window_has_the_same_loss_and_nearly_the_same_gradient(
    config: LossConfig, whisper: WhisperVictim, clip: torch.Tensor
) -> None:
    batch = Batch.of([clip])
    waveforms = perturbed(clip, 30)[None].requires_grad_(True)
    text = ["Unlock the front door."] if config.direction == "toward" else ["Turn on the kitchen lamp."]
    whole = whisper.attack_loss(batch.replace(waveforms), text, config)
    (expected,) = torch.autograd.grad(whole.loss.sum(), waveforms)
    search = whisper.search(batch)
    short = search.attack_loss(waveforms, [0], text, config)
    (got,) = torch.autograd.grad(short.loss.sum(), waveforms)
    assert torch.allclose(short.loss, whole.loss, rtol=1e-3, atol=1e-3)
    assert float(torch.nn.functional.cosine_similarity(got, expected).min()) > 0.98
    # What is remembered of a quieter perturbation still serves a louder one.
    other = perturbed(clip, 20)[None].requires_grad_(True)
    (stale,) = torch.autograd.grad(search.attack_loss(other, [0], text, config).loss.sum(), other)
    (fresh,) = torch.autograd.grad(whisper.attack_loss(batch.replace(other), text, config).loss.sum(), other)
    assert float(torch.nn.functional.cosine_similarity(stale, fresh).min()) > 0.9


def test_a_row_of_a_batch_is_searched_like_the_clip_alone(whisper: WhisperVictim, clip: torch.Tensor) -> None:
    batch = Batch.of([perturbed(clip, 40), clip])
    search, alone = whisper.search(batch), whisper.search(Batch.of([clip]))
    texts = ["Turn on the kitchen lamp."]
    search.attack_loss(batch.waveforms, [0, 1], texts * 2, CONFIGS[0])
    got = search.attack_loss(batch.waveforms[1:], [1], texts, CONFIGS[0])
    expected = alone.attack_loss(clip[None], [0], texts, CONFIGS[0])
    assert torch.allclose(got.loss, expected.loss, atol=1e-4)


def test_feature_padding_is_zero_after_the_clips_whole_hops(whisper: WhisperVictim, clip: torch.Tensor) -> None:
    batch = Batch.of([clip])
    mel = features(whisper.model.log_mel, batch.waveforms, batch.lengths, "feature-pad")
    kept = len(clip) // 160
    assert torch.equal(mel[..., :kept], whisper.model.log_mel(batch.waveforms)[..., :kept])
    assert not bool(mel[..., kept:].any())


@pytest.mark.slow
def test_every_front_end_hears_clean_speech_and_agrees_with_its_own_loss(clip: torch.Tensor) -> None:
    victim = load_victim("whisper-tiny.en?frontend=all", device="cpu")
    assert isinstance(victim, WhisperVictim) and len(victim.model.modes) == 4
    batch = Batch.of([clip])
    heard = victim.transcribe(batch)[0]
    assert len(heard.hypotheses) == 4
    assert {normalize(text) for text in heard.hypotheses} == {"turn on the kitchen lamp"}
    result = victim.attack_loss(batch, [heard.text], LossConfig("toward", "margin"))
    assert result.matches is not None and bool(result.matches.all())
    stamped = victim.attack_loss(batch, ["Nothing of the kind."], LossConfig("toward", "margin"))
    assert stamped.matches is not None and not bool(stamped.matches.any())


def test_options_of_modes() -> None:
    assert parse_modes({}, "v") == (DecodingMode(),)
    assert parse_modes({"timestamps": "on"}, "v") == (DecodingMode("audio-pad", True),)
    assert len(parse_modes({"frontend": "all"}, "v")) == 4
    assert len(parse_modes({"frontend": "all", "timestamps": "off"}, "v")) == 2
    for wrong in ({"frontend": "none"}, {"timestamps": "maybe"}):
        with pytest.raises(SpecError, match="none of"):
            parse_modes(wrong, "v")


def test_an_ensemble_is_the_mean_of_its_members() -> None:
    victim = load_victim("ensemble:tiny|tiny", device="cpu")
    assert isinstance(victim, EnsembleVictim) and victim.spec == "ensemble:tiny|tiny"
    alone = load_victim("tiny", device="cpu")
    assert isinstance(alone, DifferentiableVictim)
    batch = Batch.of([quantize16(0.3 * torch.sin(torch.arange(9600) * 0.3))])
    text = ["AB"]
    assert torch.allclose(victim.loss(batch, text), alone.loss(batch, text))
    for config in CONFIGS:
        one, both = alone.attack_loss(batch, text, config), victim.search(batch).attack_loss(batch.waveforms, [0], text, config)
        assert torch.allclose(one.loss, both.loss) and torch.equal(one.matches, both.matches)  # type: ignore[arg-type]
    assert len(victim.transcribe(batch)[0].hypotheses) >= 1
    with pytest.raises(SpecError, match="at least two"):
        load_victim("ensemble:tiny", device="cpu")
