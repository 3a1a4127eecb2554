"""wav2vec2-BERT and Parakeet by ``hf:``, on small models: equal to transformers, each clip as alone, with gradients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from mel_ctc_fixture import WRITERS
from speechlike import tones

from voiceattack.attacks import build_attack
from voiceattack.audio import Batch
from voiceattack.constraints import Budget
from voiceattack.errors import AudioError, TargetError
from voiceattack.objectives import Objective
from voiceattack.victims import LossConfig, load_victim
from voiceattack.victims.ctc.victim import CTCVictim

Made = tuple[CTCVictim, Any, Any, Any]
LENGTHS = (0.6, 0.93, 0.71)


@pytest.fixture(scope="module", params=sorted(WRITERS))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """The victim, transformers' model of the same weights, its extractor and its tokenizer."""
    import transformers

    folder: Path = tmp_path_factory.mktemp(request.param)
    model = WRITERS[request.param](folder)
    victim = load_victim(f"hf:{folder}", "cpu")
    assert isinstance(victim, CTCVictim)
    kinds: dict[str, tuple[Any, Any]] = {
        "wav2vec2-bert": (transformers.SeamlessM4TFeatureExtractor, transformers.Wav2Vec2CTCTokenizer),
        "parakeet_ctc": (transformers.ParakeetFeatureExtractor, transformers.ParakeetTokenizer),
    }
    extractor, tokenizer = (kind.from_pretrained(folder) for kind in kinds[request.param])
    yield victim, model, extractor, tokenizer


def clips() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    sounds = [tones(seed, seconds) for seed, seconds in enumerate(LENGTHS)]
    return [sound + 0.02 * torch.randn(len(sound), generator=generator) for sound in sounds]


def test_logits_losses_and_texts_are_transformers_own_batched_or_not(made: Made) -> None:
    victim, model, extractor, tokenizer = made
    batch = Batch.of(clips())
    logits, frames = victim.logits(batch)
    losses, heard = victim.loss(batch, ["open door"] * 3), victim.transcribe(batch)
    labels = torch.tensor([victim.vocabulary.encode("open door")])
    model.config.ctc_loss_reduction = "sum"
    for row, clip in enumerate(batch.clips()):
        features = extractor(clip.numpy(), sampling_rate=16_000, return_tensors="pt")
        with torch.no_grad():
            expected = model(**features, labels=labels)
        own = expected.logits[0, : frames[row]]
        assert len(own) == frames[row] and len(expected.logits[0]) - frames[row] <= 1, "the last one may be half padding"
        assert torch.allclose(logits[row, : frames[row]], own, atol=2e-3)
        assert float(losses[row]) == pytest.approx(float(expected.loss), rel=1e-3)
        assert heard[row].text == tokenizer.decode(own.argmax(-1).tolist()).strip() != ""
        assert victim.transcribe(Batch.of([clip]))[0].text == heard[row].text


def test_targets_go_through_the_tokenizer(made: Made) -> None:
    victim, _, _, tokenizer = made
    assert victim.vocabulary.encode("Open, door.") == tokenizer("open door", add_special_tokens=False).input_ids
    with pytest.raises(TargetError, match="7"):
        victim.check_target("door 7")
    with pytest.raises(TargetError, match="no tokens"):
        victim.check_target(" ")


def test_gradients_are_those_of_finite_differences_and_none_is_in_the_padding(made: Made) -> None:
    victim, *_ = made
    batch = Batch.of(clips())
    leaf = batch.replace(batch.waveforms.clone().requires_grad_(True))
    for config in (LossConfig("toward"), LossConfig("away", "ce", 8.0), LossConfig("away", "margin", 4.0)):
        found = victim.attack_loss(leaf, ["open door"] * 3, config)
        (grad,) = torch.autograd.grad(found.loss.sum(), leaf.waveforms)
        assert bool(torch.isfinite(grad).all()) and bool((grad[0, : int(batch.lengths[0])] != 0).any())
        assert not grad[0, int(batch.lengths[0]) :].any()
    config = LossConfig("toward")
    (grad,) = torch.autograd.grad(victim.attack_loss(leaf, ["open door"] * 3, config).loss.sum(), leaf.waveforms)
    step = 1e-5 * grad / grad.abs().max()
    ahead, behind = (
        victim.attack_loss(batch.replace(batch.waveforms + sign * step), ["open door"] * 3, config).loss.sum() for sign in (1, -1)
    )
    assert float(ahead - behind) == pytest.approx(2 * float((grad * step).sum()), rel=0.05)


def test_silence_has_a_gradient_and_the_shortest_clip_is_heard(made: Made) -> None:
    victim, *_ = made
    silent = Batch.of([torch.zeros(12_000)])
    leaf = silent.replace(silent.waveforms.clone().requires_grad_(True))
    (grad,) = torch.autograd.grad(victim.loss(leaf, ["a"]).sum(), leaf.waveforms)
    assert bool(torch.isfinite(grad).all())
    assert len(victim.transcribe(Batch.of([torch.zeros(victim.min_samples)]))) == 1
    with pytest.raises(AudioError, match=f"fewer than the {victim.min_samples}"):
        victim.transcribe(Batch.of([torch.zeros(victim.min_samples - 1)]))


def test_a_search_makes_the_saved_file_say_the_target(made: Made) -> None:
    victim, *_ = made
    (crafted,) = build_attack("cw", steps=150, stop_at_success=True).craft(
        victim, Batch.of([tones(1, 1.2)]), ["open"], Objective("targeted", "door"), Budget(snr_db=5.0), [0]
    )
    assert not isinstance(crafted, Exception)
    assert victim.transcribe(Batch.of([crafted.waveform]))[0].text == "door"
