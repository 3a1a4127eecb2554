"""Moonshine by ``hf:``, white box, on a small model: heard as transformers hears it, attacked with the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from moonshine_fixture import BEGIN, END, LETTERS, write_moonshine
from speechlike import tones

from voiceattack.attacks import build_attack
from voiceattack.audio import Batch
from voiceattack.constraints import Budget
from voiceattack.errors import AudioError, TargetError
from voiceattack.objectives import Objective
from voiceattack.victims import load_victim
from voiceattack.victims.base import LossConfig
from voiceattack.victims.moonshine.victim import SHORTEST, MoonshineVictim


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("moonshine")
    write_moonshine(path)
    return path


@pytest.fixture
def victim(folder: Path) -> MoonshineVictim:
    found = load_victim(f"hf:{folder}", "cpu")
    assert isinstance(found, MoonshineVictim)
    return found


def test_it_is_heard_as_transformers_hears_it_each_clip_alone(victim: MoonshineVictim) -> None:
    clips = [tones(1, 0.6), tones(2, 0.9), tones(3, 0.6)]
    together = victim.transcribe(Batch.of(clips))
    assert [one.text for one in together] == [victim.transcribe(Batch.of([clip]))[0].text for clip in clips]
    with torch.no_grad():
        ids = victim.network.generate(input_values=clips[1][None], max_new_tokens=5, do_sample=False)[0].tolist()
    written = "".join(LETTERS[index - 3] for index in ids if index > 2)
    assert together[1].text == written.strip() and together[1].tokens == len([index for index in ids if index > 2])


def test_teacher_forcing_agrees_with_what_was_written(victim: MoonshineVictim) -> None:
    clip = tones(4, 0.8)
    with torch.no_grad():
        ids = victim.network.generate(input_values=clip[None], max_new_tokens=6, do_sample=False)[0].tolist()
        forced = victim.network(input_values=clip[None], decoder_input_ids=torch.tensor([ids[:-1]]), use_cache=False).logits
    assert ids[0] == BEGIN and forced[0].argmax(dim=-1).tolist() == ids[1:]


def test_losses_of_a_batch_are_those_of_each_clip_and_have_gradients(victim: MoonshineVictim) -> None:
    clips, texts = [tones(1, 0.6), tones(2, 0.9), tones(3, 0.6)], ["open", "a door", "now"]
    batch = Batch.of(clips)
    batch = batch.replace(batch.waveforms.clone().requires_grad_(True))
    alone = [float(victim.loss(Batch.of([clip]), [text])[0]) for clip, text in zip(clips, texts, strict=True)]
    assert victim.loss(batch, texts).tolist() == pytest.approx(alone, rel=1e-4)
    for config in (
        LossConfig("toward"),
        LossConfig("away", "ce", 8.0),
        LossConfig("toward", "margin"),
        LossConfig("toward", "eot"),
    ):
        found = victim.attack_loss(batch, texts, config)
        singly = [victim.attack_loss(Batch.of([clip]), [text], config) for clip, text in zip(clips, texts, strict=True)]
        assert found.loss.tolist() == pytest.approx([float(one.loss[0]) for one in singly], rel=1e-3, abs=1e-4)
        assert found.distance is not None and [0 <= share <= 1 for share in found.distance.tolist()] == [True] * 3
        (grad,) = torch.autograd.grad(found.loss.sum(), batch.waveforms)
        assert bool((grad[0, : len(clips[0])] != 0).any()) and not grad[0, len(clips[0]) :].any(), "none in the padding"


def test_a_search_changes_what_the_saved_file_says(victim: MoonshineVictim) -> None:
    clip = tones(1, 1.2)
    (clean,) = victim.transcribe(Batch.of([clip]))
    (crafted,) = build_attack("pgd", steps=30).craft(
        victim, Batch.of([clip]), [clean.text], Objective("untargeted"), Budget(snr_db=10.0), [0]
    )
    assert not isinstance(crafted, Exception)
    (heard,) = victim.transcribe(Batch.of([crafted.waveform]))
    assert heard.text == "" and clean.text, "silence is where it is led first"


def test_one_that_normalises_clips_is_heard_through_its_own_extractor(tmp_path: Path) -> None:
    from transformers import Wav2Vec2FeatureExtractor

    model = write_moonshine(tmp_path, normalize=True)
    found, clip = load_victim(f"hf:{tmp_path}", "cpu"), 0.2 * tones(4, 0.8) + 0.1
    assert isinstance(found, MoonshineVictim)
    values = Wav2Vec2FeatureExtractor.from_pretrained(tmp_path)(
        clip.numpy(), sampling_rate=16_000, return_tensors="pt"
    ).input_values
    labels = torch.tensor([[*(3 + LETTERS.index(letter) for letter in "open"), END]])
    inputs = torch.tensor([[BEGIN, *labels[0, :-1]]])
    with torch.no_grad():
        logits = model(input_values=values, decoder_input_ids=inputs, use_cache=False).logits
    expected = torch.nn.functional.cross_entropy(logits[0], labels[0], reduction="sum")
    assert float(found.loss(Batch.of([clip]), ["open"])[0]) == pytest.approx(float(expected), rel=1e-4)


def test_what_it_cannot_take_is_told(victim: MoonshineVictim) -> None:
    with pytest.raises(AudioError, match=f"fewer than the {SHORTEST}"):
        victim.transcribe(Batch.of([torch.zeros(SHORTEST - 1)]))
    assert len(victim.transcribe(Batch.of([torch.zeros(SHORTEST)]))) == 1, "the shortest that gives a frame"
    with pytest.raises(TargetError, match="no tokens"):
        victim.check_target("  ")
    with pytest.raises(TargetError, match="longer than the 45"):
        victim.check_target("a" * 46)
