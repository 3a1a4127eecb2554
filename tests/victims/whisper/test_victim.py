"""The bundled Whisper: its weights, its features, its ears, its gradients."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from voiceattack.audio import Batch, load
from voiceattack.errors import DigestError, SpecError, TargetError, VictimError
from voiceattack.metrics.text import normalize
from voiceattack.victims import LossConfig, load_victim
from voiceattack.victims.whisper.log_mel import LogMel
from voiceattack.victims.whisper.packaged import TINY
from voiceattack.victims.whisper.victim import WhisperVictim

SAMPLES = Path(__file__).parents[3] / "samples"


def sample_clips(count: int) -> tuple[list[torch.Tensor], list[str]]:
    rows = [json.loads(line) for line in (SAMPLES / "manifest.jsonl").read_text().splitlines()][:count]
    return [load(SAMPLES / row["audio_filepath"]) for row in rows], [row["text"] for row in rows]


@pytest.mark.parametrize("seconds", [0.2, 3.7, 30.0])
def test_features_equal_the_library(seconds: float) -> None:
    from transformers import WhisperFeatureExtractor

    rng = np.random.default_rng(3)
    samples = int(seconds * 16_000)
    wave = (0.2 * np.sin(np.arange(samples) * 0.21) + 0.05 * rng.standard_normal(samples)).astype(np.float32)
    expected = WhisperFeatureExtractor()(wave, sampling_rate=16_000, return_tensors="pt").input_features
    got = LogMel()(torch.from_numpy(wave)[None])
    assert got.shape == expected.shape == (1, 80, 3000)
    assert float((got - expected).abs().max()) < 1e-4


def test_features_equal_the_library_on_speech_and_silence() -> None:
    from transformers import WhisperFeatureExtractor

    clip = sample_clips(1)[0][0]
    for wave in (clip, torch.zeros(16_000)):
        expected = WhisperFeatureExtractor()(wave.numpy(), sampling_rate=16_000, return_tensors="pt").input_features
        assert float((LogMel()(wave[None]) - expected).abs().max()) < 1e-4


def test_wrong_digest_fails_closed(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(TINY.folder(), folder)
    with (folder / "model.bin").open("r+b") as stream:
        stream.seek(40_000_000)
        stream.write(b"\x01")
    with pytest.raises(DigestError, match="expected 1a5afae0"):
        TINY.load(torch.device("cpu"), folder)
    (folder / "model.bin").unlink()
    with pytest.raises(VictimError, match="reinstall"):
        TINY.load(torch.device("cpu"), folder)


def test_options_are_refused() -> None:
    with pytest.raises(SpecError, match="unknown option 'beam'; known: frontend, timestamps"):
        load_victim("whisper-tiny.en?beam=5")


@pytest.mark.slow
def test_hears_speech_and_a_batch_of_8_as_8_batches_of_1(whisper: WhisperVictim) -> None:
    clips, texts = sample_clips(8)
    together = [transcript.text for transcript in whisper.transcribe(Batch.of(clips))]
    alone = [whisper.transcribe(Batch.of([clip]))[0].text for clip in clips]
    assert together == alone
    right = sum(normalize(heard) == normalize(text) for heard, text in zip(alone, texts, strict=True))
    assert right >= 6, list(zip(alone, texts, strict=True))


@pytest.mark.slow
def test_gradients_reach_the_waveform_and_spare_the_padding(whisper: WhisperVictim) -> None:
    clips, _ = sample_clips(1)
    clip = clips[0]
    waveforms = torch.nn.functional.pad(clip, (0, 4000))[None].requires_grad_(True)
    batch = Batch(waveforms, torch.tensor([clip.shape[0]]))
    heard = whisper.transcribe(Batch.of([clip]))[0].text
    result = whisper.attack_loss(batch, [heard], LossConfig("away", "ce", 8.0))
    (grad,) = torch.autograd.grad(result.loss.sum(), waveforms)
    assert bool(torch.isfinite(grad).all()) and float(grad[0, : clip.shape[0]].abs().max()) > 0
    assert float(grad[0, clip.shape[0] :].abs().max()) == 0
    assert result.matches is not None and bool(result.matches[0]), "the cheap check disagrees with the decoder on clean speech"
    likelier, unlikelier = whisper.score(batch, [heard])[0], whisper.score(batch, ["completely different words"])[0]
    assert likelier > unlikelier


@pytest.mark.slow
def test_silence_has_finite_gradients(whisper: WhisperVictim) -> None:
    waveforms = torch.zeros(1, 8000, requires_grad=True)
    (grad,) = torch.autograd.grad(whisper.loss(Batch(waveforms, torch.tensor([8000])), ["hello"]).sum(), waveforms)
    assert bool(torch.isfinite(grad).all())


def test_targets_that_cannot_be_said_are_refused(whisper: WhisperVictim) -> None:
    whisper.check_target("unlock the front door")
    for target in ("♪ la la ♪", " ".join(["word"] * 500)):
        with pytest.raises(TargetError):
            whisper.check_target(target)


def test_loss_is_the_models_own(whisper: WhisperVictim) -> None:
    """Teacher-forced loss against transformers' own labels path, with no token suppressed in the text."""
    clip = sample_clips(1)[0][0]
    ids = [*whisper.model.text_ids("Turn on the lamp."), whisper.model.eot]
    features = whisper.model.log_mel(clip[None])
    with torch.no_grad():
        logits = whisper.model.network(
            input_features=features, decoder_input_ids=torch.tensor([[*whisper.model.prompt, *ids[:-1]]]), use_cache=False
        ).logits[0, len(whisper.model.prompt) - 1 :]
    logits[:, whisper.model._suppressed] = -torch.inf
    logits[0, whisper.model._suppressed_first] = -torch.inf
    by_hand = -sum(float(row.log_softmax(-1)[token]) for row, token in zip(logits, ids, strict=True))
    assert float(whisper.loss(Batch.of([clip]), ["Turn on the lamp."])[0]) == pytest.approx(by_hand, rel=1e-3)
