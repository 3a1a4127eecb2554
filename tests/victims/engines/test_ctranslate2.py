"""CTranslate2 and faster-whisper as victims: the default victim's weights, heard as deployed engines hear."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from speechlike import ROOT

from voiceattack.audio import Batch, load
from voiceattack.errors import DigestError, MissingExtraError, SpecError, VictimError
from voiceattack.metrics.text import normalize
from voiceattack.victims import load_victim
from voiceattack.victims.whisper.frontends import features
from voiceattack.victims.whisper.log_mel import LogMel
from voiceattack.victims.whisper.packaged import TINY, PackagedWhisper
from voiceattack.victims.whisper.victim import WhisperVictim

SAMPLES = ROOT / "samples"
SCHEMES = {"ctranslate2": "ctranslate2", "faster-whisper": "faster_whisper"}
both = pytest.mark.parametrize("scheme", SCHEMES)


def needs(scheme: str) -> str:
    pytest.importorskip("ctranslate2", reason="the extra 'ctranslate2' is not installed")
    pytest.importorskip(SCHEMES[scheme], reason=f"the extra {scheme!r} is not installed")
    return scheme


def clips(count: int) -> list[torch.Tensor]:
    rows = [json.loads(line) for line in (SAMPLES / "manifest.jsonl").read_text(encoding="utf-8").splitlines()][:count]
    return [load(SAMPLES / row["audio_filepath"]) for row in rows]


@pytest.fixture(scope="module")
def expected(whisper: WhisperVictim) -> list[str]:
    """What the default victim hears in the first clips, one by one."""
    return [normalize(whisper.transcribe(Batch.of([clip]))[0].text) for clip in clips(4)]


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs("ctranslate2")
    from converted_fixture import write_converted

    return write_converted(tmp_path_factory.mktemp("converted") / "model")


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec",
    [
        "ctranslate2:whisper-tiny.en",
        "ctranslate2:whisper-tiny.en?compute_type=int8&beam_size=1",
        "ctranslate2:whisper-tiny.en?frontend=feature-pad&timestamps=on",
        "faster-whisper:whisper-tiny.en",
        "faster-whisper:whisper-tiny.en?compute_type=int8&beam_size=1&timestamps=off",
        "faster-whisper:whisper-tiny.en?vad=on",
    ],
)
def test_clean_speech_is_heard_as_the_default_victim_hears_it(spec: str, expected: list[str]) -> None:
    needs(spec.partition(":")[0])
    victim = load_victim(spec, "cpu")
    together = victim.transcribe(Batch.of(clips(4)))
    assert [normalize(heard.text) for heard in together] == expected
    assert together == [victim.transcribe(Batch.of([clip]))[0] for clip in clips(4)]
    facts = victim.describe()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["sha256"] == TINY.sha256
    assert facts["compute_type"] == ("int8_float32" if "int8" in spec else "float32")
    assert facts["beam_size"] == (1 if "beam_size=1" in spec else 5)
    assert victim.capabilities == {"hears"}


@pytest.mark.slow
def test_ctranslate2_set_up_as_faster_whisper_hears_the_same() -> None:
    """Where no fallback is needed the library is features padded with zeros, a timestamp prompt and a beam of 5."""
    needs("faster-whisper")
    bare = load_victim("ctranslate2:whisper-tiny.en?frontend=feature-pad&timestamps=on", "cpu")
    library = load_victim("faster-whisper:whisper-tiny.en", "cpu")
    batch = Batch.of(clips(3))
    for ours, theirs in zip(bare.transcribe(batch), library.transcribe(batch), strict=True):
        assert ours.text == theirs.text and len(theirs.details["segments"]) == 1
        (segment,) = theirs.details["segments"]
        assert segment["temperature"] == 0.0
        # Both come from the mean log-likelihood; the library counts the end token too.
        assert segment["avg_logprob"] == pytest.approx(ours.details["score"], rel=0.2)


def test_features_padded_with_zeros_equal_the_library() -> None:
    needs("faster-whisper")
    from faster_whisper.audio import pad_or_trim
    from faster_whisper.feature_extractor import FeatureExtractor

    noise = torch.from_numpy(np.random.default_rng(0).standard_normal(16_119).astype(np.float32)) * 0.1
    for clip in (*clips(2), noise):
        hops = clip.shape[0] // 160
        theirs = FeatureExtractor()(clip.numpy())
        assert theirs.shape[1] == hops + 1
        ours = features(LogMel(), clip[None], torch.tensor([clip.shape[0]]), "feature-pad")[0].numpy()
        assert float(np.abs(ours - pad_or_trim(theirs[:, :hops])).max()) < 1e-4


def test_faster_whisper_suppresses_the_tokens_of_the_models_config() -> None:
    needs("faster-whisper")
    from faster_whisper.tokenizer import Tokenizer as Wrapped
    from faster_whisper.transcribe import get_suppressed_tokens
    from tokenizers import Tokenizer

    folder = TINY.folder()
    wrapped = Wrapped(Tokenizer.from_file(str(folder / "tokenizer.json")), False)
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert list(get_suppressed_tokens(wrapped, [-1])) == sorted(settings["suppress_ids"])  # type: ignore[arg-type]


def test_sampling_is_repeatable_and_knows_no_neighbours(untrained: Path) -> None:
    """An untrained model is unsure of all it says, so that faster-whisper samples at every temperature."""
    needs("faster-whisper")
    victim = load_victim(f"faster-whisper:{untrained}?language=en&beam_size=1", "cpu")
    batch = Batch.of(clips(2))
    first = victim.transcribe(batch)
    assert any(segment["temperature"] > 0 for heard in first for segment in heard.details["segments"])
    assert victim.transcribe(batch) == first
    assert [victim.transcribe(Batch.of([clip]))[0] for clip in reversed(list(batch.clips()))] == first[::-1]


@both
def test_a_folder_of_a_multilingual_model(scheme: str, untrained: Path) -> None:
    needs(scheme)
    clip = Batch.of(clips(1))
    plain = load_victim(f"{scheme}:{untrained}?language=fr", "cpu")
    assert plain.language == "fr"
    assert plain.transcribe(clip)[0].text
    assert plain.describe()["model"] == str(untrained) and len(plain.describe()["sha256"]) == 64
    with pytest.raises(SpecError, match=r"language 'klingon' is not known; give a code"):
        load_victim(f"{scheme}:{untrained}?language=klingon", "cpu")


def test_the_language_reaches_the_prompt(untrained: Path) -> None:
    from voiceattack.victims.engines.ctranslate2 import CTranslate2Whisper

    prompts = []
    for options in ("language=fr", "timestamps=on"):
        victim = load_victim(f"ctranslate2:{untrained}?{options}", "cpu")
        assert isinstance(victim, CTranslate2Whisper)
        prompts.append([victim._tokenizer.id_to_token(token) for token in victim._prompt])
    assert prompts == [
        ["<|startoftranscript|>", "<|fr|>", "<|transcribe|>", "<|notimestamps|>"],
        ["<|startoftranscript|>", "<|en|>", "<|transcribe|>"],
    ]


def test_faster_whisper_says_which_language_it_heard(untrained: Path) -> None:
    needs("faster-whisper")
    asked = load_victim(f"faster-whisper:{untrained}?language=fr&beam_size=1", "cpu")
    assert asked.transcribe(Batch.of(clips(1)))[0].details["language"] == "fr"


@both
def test_silence_one_sample_and_nothing_are_heard_without_fuss(scheme: str) -> None:
    victim = load_victim(f"{needs(scheme)}:whisper-tiny.en?beam_size=1", "cpu")
    batch = Batch.of([torch.zeros(8_000), torch.tensor([0.5]), torch.zeros(0)])
    assert [type(heard.text) for heard in victim.transcribe(batch)] == [str] * 3
    assert victim.transcribe(batch)[2].text == ""


def test_the_voice_activity_detector_cuts_out_what_is_no_speech() -> None:
    needs("faster-whisper")
    noise = torch.randn(32_000, generator=torch.Generator().manual_seed(0)) * 0.01
    heard = {}
    for vad in ("on", "off"):
        victim = load_victim(f"faster-whisper:whisper-tiny.en?beam_size=1&vad={vad}", "cpu")
        assert victim.describe()["vad"] is (vad == "on")
        heard[vad] = victim.transcribe(Batch.of([noise]))[0]
    assert heard["on"].text == "" and not heard["on"].details["segments"]
    with pytest.raises(SpecError, match="vad='yes' is none of on, off"):
        load_victim("faster-whisper:whisper-tiny.en?vad=yes", "cpu")


def test_lengths() -> None:
    """CTranslate2 hears one window; faster-whisper goes on to the next by itself."""
    needs("faster-whisper")
    assert load_victim("ctranslate2:whisper-tiny.en", "cpu").max_seconds == 30
    victim = load_victim("faster-whisper:whisper-tiny.en?beam_size=1", "cpu")
    assert victim.max_seconds is None
    speech = clips(2)
    heard = victim.transcribe(Batch.of([torch.cat([speech[0], torch.zeros(28 * 16_000), speech[1]])]))[0]
    assert heard.details["segments"][-1]["start"] > 20 and "downstairs" in heard.text, heard


@both
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("beam=5", r"unknown option 'beam'; known: compute_type, beam_size, timestamps"),
        ("beam_size=0", "option beam_size '0': must be from 1 to 100"),
        ("beam_size=five", "option beam_size 'five': must be a number"),
        ("timestamps=maybe", "timestamps='maybe'"),
        ("compute_type=int3", r"compute_type='int3' is not supported on cpu here; use .*float32"),
        ("language=fr", "language='fr'"),
    ],
)
def test_options_are_checked(scheme: str, options: str, reason: str) -> None:
    with pytest.raises(SpecError, match=reason):
        load_victim(f"{needs(scheme)}:whisper-tiny.en?{options}", "cpu")


def test_an_engine_hears_in_one_way() -> None:
    needs("ctranslate2")
    with pytest.raises(SpecError, match="hears in one way"):
        load_victim("ctranslate2:whisper-tiny.en?frontend=all", "cpu")
    with pytest.raises(SpecError, match="unknown option 'frontend'"):
        load_victim("faster-whisper:whisper-tiny.en?frontend=audio-pad", "cpu")


@both
def test_folders_are_checked_and_nothing_is_downloaded(scheme: str, tmp_path: Path) -> None:
    needs(scheme)
    with pytest.raises(SpecError, match="needs a model"):
        load_victim(scheme, "cpu")
    for missing in ("tiny.en", str(tmp_path / "nowhere")):
        with pytest.raises(VictimError, match="no such folder"):
            load_victim(f"{scheme}:{missing}", "cpu")
    (tmp_path / "model.bin").write_bytes(b"not a model")
    with pytest.raises(VictimError, match=r"holds no config\.json and no tokenizer\.json"):
        load_victim(f"{scheme}:{tmp_path}", "cpu")
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        shutil.copy(TINY.folder() / name, tmp_path)
    with pytest.raises(VictimError, match="cannot run on cpu"):
        load_victim(f"{scheme}:{tmp_path}", "cpu")


@both
@pytest.mark.parametrize("stored", ["float16", "bfloat16"])
def test_a_folder_in_half_precision_computes_in_float32(scheme: str, stored: str, untrained: Path, tmp_path: Path) -> None:
    needs(scheme)
    from converted_fixture import write_converted

    folder = write_converted(tmp_path / "half", stored)
    assert (folder / "model.bin").stat().st_size < 0.6 * (untrained / "model.bin").stat().st_size
    victim = load_victim(f"{scheme}:{folder}?language=en&beam_size=1", "cpu")
    assert victim.describe()["compute_type"] == "float32"
    assert victim.transcribe(Batch.of(clips(1)))[0].text


@both
@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        # CTranslate2 would write past its memory and take the process down.
        ("config.json", {"suppress_ids": [10**9]}, "suppress_ids in config.json is no list of tokens from 0 to 51864"),
        ("config.json", {"suppress_ids_begin": [-5]}, "suppress_ids_begin in config.json"),
        ("config.json", {"lang_ids": "en"}, "lang_ids in config.json"),
        ("config.json", [], "config.json must hold an object"),
        ("vocabulary.json", {}, "vocabulary.json a list"),
        ("vocabulary.json", None, "holds no vocabulary.json or vocabulary.txt"),
        ("config.json", "{", "cannot be read"),
        ("tokenizer.json", "{", "EOF while parsing"),
    ],
)
def test_damaged_folders_are_refused(scheme: str, name: str, content: object, says: str, untrained: Path, tmp_path: Path) -> None:
    needs(scheme)
    for path in untrained.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / name).unlink()
    if isinstance(content, dict) and content:
        content = {**json.loads((untrained / name).read_text(encoding="utf-8")), **content}
    if content is not None:
        (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    with pytest.raises(VictimError, match=says) as caught:
        load_victim(f"{scheme}:{tmp_path}?language=en", "cpu")
    assert "\n" not in str(caught.value)


@both
def test_the_bundled_weights_digest_is_checked(scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs(scheme)
    (tmp_path / "model.bin").write_bytes(b"not the weights")
    monkeypatch.setattr(PackagedWhisper, "_place", lambda model, part: tmp_path / "model.bin")
    with pytest.raises(DigestError, match="expected 1a5afae0"):
        load_victim(f"{scheme}:whisper-tiny.en", "cpu")


@both
def test_without_the_package_the_error_names_the_extra(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, SCHEMES[scheme], None)  # what Python itself does for a blocked import
    with pytest.raises(MissingExtraError, match=rf"pip install 'voiceattack\[{scheme}\]'"):
        load_victim(f"{scheme}:whisper-tiny.en", "cpu")


def test_every_victim_on_the_deployments_page_loads() -> None:
    needs("faster-whisper")
    page = (ROOT / "docs" / "explanation" / "deployments.md").read_text(encoding="utf-8")
    specs = sorted(set(re.findall(r"--victim '?([^\s'`]+)", page)))
    assert {"ctranslate2", "faster-whisper", "whisper-tiny.en"} <= {re.split("[:?]", spec)[0] for spec in specs}
    for spec in specs:
        assert load_victim(spec, "cpu").spec == spec
