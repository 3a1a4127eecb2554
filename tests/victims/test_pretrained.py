"""Hugging Face folders of all kinds: in half precision, sharded, without a generation config."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from ctc_fixture import sample_clips
from model_folders import SCHEMES, WRITERS
from speechlike import tones
from torch import Tensor, nn
from whisper_fixture import write_whisper

from voiceattack.audio import Batch
from voiceattack.errors import SpecError
from voiceattack.victims import DifferentiableVictim, LossConfig, load_victim
from voiceattack.victims.own import from_ctc_module, from_loss_module
from voiceattack.victims.pretrained import take_dtype
from voiceattack.victims.text.hf_text import TextClassifierVictim
from voiceattack.victims.whisper.model import WhisperModel
from voiceattack.victims.whisper.victim import WhisperVictim

HALVES = [torch.float16, torch.bfloat16]


def gradient(victim: DifferentiableVictim, clip: Tensor, text: str) -> Tensor:
    waveform = clip[None].clone().requires_grad_(True)
    loss = victim.attack_loss(Batch(waveform, torch.tensor([len(clip)])), [text], LossConfig("away")).loss
    return torch.autograd.grad(loss.sum(), waveform)[0]


@pytest.mark.parametrize("half", HALVES, ids=["float16", "bfloat16"])
@pytest.mark.parametrize("kind", WRITERS)
def test_half_precision_weights_compute_in_float32(tmp_path: Path, kind: str, half: torch.dtype) -> None:
    """A checkpoint stored in half precision is the same victim as one of the same numbers stored in float32."""
    write = WRITERS[kind]
    model = write(tmp_path / "whole")
    rounded = copy.deepcopy(model).to(half)
    write(tmp_path / "half", rounded)
    write(tmp_path / "whole", copy.deepcopy(rounded).float())
    stored = json.loads((tmp_path / "half" / "config.json").read_text())
    assert stored["dtype"] == str(half).removeprefix("torch.")
    victims = [load_victim(f"{SCHEMES[kind]}:{tmp_path / name}", "cpu") for name in ("half", "whole")]
    if kind == "text":
        shares = [victim.confidences("turn on the lamp") for victim in victims if isinstance(victim, TextClassifierVictim)]
        assert len(shares) == 2 and shares[0] == shares[1]
        return
    clip = tones(1)
    one, other = (victim.transcribe(Batch.of([clip]))[0].text for victim in victims)
    assert one == other
    assert victims[0].describe()["precision"] == f"{stored['dtype']} weights in float32 arithmetic"
    pair = [gradient(victim, clip, "A B") for victim in victims if isinstance(victim, DifferentiableVictim)]
    assert torch.equal(*pair) and bool(pair[0].isfinite().all()) and bool(pair[0].any())


def test_half_precision_is_chosen_on_cuda_alone() -> None:
    assert take_dtype("hf:x", {}, torch.device("cpu")) is torch.float32
    assert take_dtype("hf:x", {}, torch.device("cuda")) is torch.float32
    assert take_dtype("hf:x", {"dtype": "bfloat16"}, torch.device("cuda")) is torch.bfloat16
    with pytest.raises(SpecError, match="dtype=float16 is for CUDA"):
        take_dtype("hf:x", {"dtype": "float16"}, torch.device("cpu"))
    with pytest.raises(SpecError, match="'half' is none of float32, float16, bfloat16"):
        take_dtype("hf:x", {"dtype": "half"}, torch.device("cuda"))


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
def test_whisper_that_computes_in_half_precision_hears_scores_and_differentiates(tmp_path: Path, half: torch.dtype) -> None:
    """What ``dtype`` asks for on CUDA runs on the CPU too: features are cast where they enter, logits come out float32."""
    write_whisper(tmp_path)
    whole = load_victim(f"hf:{tmp_path}", "cpu")
    assert isinstance(whole, WhisperVictim)
    model = whole.model
    victim = WhisperVictim(WhisperModel(model.network.to(half), model._encode, model._decode, model.prompt))
    assert victim.transcribe(Batch.of([tones(1)]))[0].text is not None
    found = gradient(victim, tones(1), "open")
    assert found.dtype == torch.float32 and bool(found.isfinite().all()) and bool(found.any())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_ones_own_module_in_another_precision(dtype: torch.dtype) -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(1, 3, 400, 160)

        def forward(self, waveforms: Tensor) -> Tensor:
            logits: Tensor = self.conv(waveforms[:, None]).transpose(1, 2)
            return logits

        def loss(self, waveforms: Tensor, lengths: Tensor, texts: list[str]) -> Tensor:
            return self(waveforms).square().mean(dim=(1, 2))

        def transcribe(self, waveforms: Tensor, lengths: Tensor) -> list[str]:
            return ["a" if bool(row.sum() > 0) else "b" for row in self(waveforms)]

    torch.manual_seed(0)
    made = Own().to(dtype)
    for victim in (from_ctc_module(copy.deepcopy(made), ["-", "A", "|"]), from_loss_module(copy.deepcopy(made))):
        assert victim.transcribe(Batch.of([tones(1)]))[0].text is not None
        found = gradient(victim, tones(1), "A")
        assert found.dtype == torch.float32 and bool(found.isfinite().all()) and bool(found.any())


def test_whisper_without_a_generation_config_hears_as_with_it(tmp_path: Path) -> None:
    """Without it ``generate`` would stop after 20 tokens and leave out <|notimestamps|>, which the losses expect."""
    write_whisper(tmp_path)
    path = tmp_path / "generation_config.json"
    whole = json.loads(path.read_text())
    clip = Batch.of([tones(1)])
    fewer = {key: whole[key] for key in ("suppress_tokens", "begin_suppress_tokens")}
    long = {key: value for key, value in whole.items() if key != "max_length"}
    path.write_text(json.dumps({**long, "max_length": 448}))
    expected = load_victim(f"hf:{tmp_path}", "cpu")
    assert isinstance(expected, WhisperVictim)
    text = expected.transcribe(clip)[0].text
    for given in (fewer, {**long, "forced_decoder_ids": [[1, 11]]}):
        path.write_text(json.dumps(given))
        victim = load_victim(f"hf:{tmp_path}", "cpu")
        assert isinstance(victim, WhisperVictim) and victim.model.prompt == expected.model.prompt
        assert victim.transcribe(clip)[0].text == text
        assert victim.model.first_stamp == expected.model.first_stamp
    path.unlink()
    victim = load_victim(f"hf:{tmp_path}", "cpu")
    assert isinstance(victim, WhisperVictim) and victim.model.prompt == expected.model.prompt
    assert victim.model.network.generation_config.max_length == 448 and victim.model.first_stamp == expected.model.first_stamp


def test_whisper_of_several_languages_without_a_generation_config(tmp_path: Path) -> None:
    from tokenizers import AddedToken, Tokenizer
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    write_whisper(tmp_path, vocab_size=51_865)
    words = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    names = ["endoftext", "startoftranscript", *LANGUAGES, "translate", "transcribe", "startoflm", "startofprev", "nospeech"]
    document = json.loads(words.to_str())
    # As in the multilingual vocabulary, the special tokens begin one place later.
    document["added_tokens"] = []
    del document["model"]["vocab"]["<|endoftext|>"]
    document["model"]["vocab"]["|filler|"] = 50_256
    fresh = Tokenizer.from_str(json.dumps(document))
    fresh.add_special_tokens([AddedToken(f"<|{name}|>", special=True) for name in [*names, "notimestamps"]])
    fresh.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "generation_config.json").unlink()
    victim = load_victim(f"hf:{tmp_path}?language=fr", "cpu")
    assert isinstance(victim, WhisperVictim)
    vocabulary = fresh.get_vocab()
    said = ["<|startoftranscript|>", "<|fr|>", "<|transcribe|>", "<|notimestamps|>"]
    assert victim.model.prompt == [vocabulary[name] for name in said]
    assert victim.transcribe(Batch.of([tones(1)]))[0].text is not None


@pytest.mark.slow
@pytest.mark.parametrize("form", ["whole", "no generation config", "forced", "sharded", "float16", "bfloat16", "old config"])
def test_folders_made_of_the_bundled_weights_hear_as_the_bundled_model(whisper: WhisperVictim, tmp_path: Path, form: str) -> None:
    model: Any = copy.deepcopy(whisper.model.network)
    if form in ("float16", "bfloat16"):
        model = model.to(getattr(torch, form))
    write_whisper(tmp_path, model)
    if form == "sharded":
        (tmp_path / "model.safetensors").unlink()
        model.save_pretrained(tmp_path, max_shard_size="40MB")
        assert len(list(tmp_path.glob("*.safetensors"))) > 1
    generation, config = tmp_path / "generation_config.json", tmp_path / "config.json"
    if form == "forced":
        generation.write_text(json.dumps({**json.loads(generation.read_text()), "forced_decoder_ids": [[1, 50362]]}))
    if form in ("no generation config", "old config"):
        generation.unlink()
    if form == "old config":
        old = {"forced_decoder_ids": [[1, 50362]], "suppress_tokens": [], "begin_suppress_tokens": [220, 50256]}
        config.write_text(json.dumps({**json.loads(config.read_text()), **old}))
    victim = load_victim(f"hf:{tmp_path}", "cpu")
    assert isinstance(victim, WhisperVictim)
    clip = sample_clips(1)[0][0]
    heard = victim.transcribe(Batch.of([clip]))[0].text
    assert heard and heard == whisper.transcribe(Batch.of([clip]))[0].text
    # The losses agree with the ear: teacher-forced, what was heard is what is likeliest.
    assert bool(victim.attack_loss(Batch.of([clip]), [heard], LossConfig("toward")).matches.all())  # type: ignore[union-attr]
    found = gradient(victim, clip, heard)
    assert bool(found.isfinite().all()) and bool(found.any())
