"""Specs of victims, attacks and the rest that anybody types: understood, or refused in one line. None runs a program."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzzing import answered, fuzzed, untouched
from hypothesis import given
from hypothesis import strategies as st
from mutations import odd_texts
from speechlike import write_clips

# Those that start a program, load a user's code or ask a server are left out, and so are those that take minutes to load.
SCHEMES = (
    *("tiny", "ensemble:", "assistant:", "intents:", "wakeword:", "nearest:", "vosk:", "sherpa:", "torchaudio:", "pocketsphinx"),
    *("faster-whisper:", "ctranslate2:", "sphinx", "hf:./", "hf:/nowhere", "hf-text:./", "nothing:", "TINY", "tiny:x"),
)
REFUSED = ("command:", "python:", "http", "ws:", "wss:", "openai", "home-assistant", "wyoming")
OPTIONS = (
    *("", "?", "?x=1", "?language=klingon", "?normalise=nfkc", "?frontend=all", "?device=cpu", "?entities=gone.yaml"),
    *("?a&b", "??", "?="),
)
LONG = ("a" * 100_000, "tiny|tiny", "tiny|", "|", "%00", "%ff", "home?asr=tiny")
rests = st.one_of(st.just(""), odd_texts, st.sampled_from(LONG))
specs = st.one_of(
    st.tuples(st.sampled_from(SCHEMES), rests, st.sampled_from(OPTIONS)).map("".join),
    odd_texts,
    st.text(alphabet="tiny:?|=&/%\0", max_size=20),
).filter(lambda spec: not any(word in spec.lower() for word in REFUSED))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_clips(tmp_path_factory.mktemp("clips"), 1)[0]


@fuzzed
@given(spec=specs)
def test_any_victim(tmp_path: Path, clip: str, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with untouched(tmp_path, Path(clip).parent):
        answered("transcribe", clip, f"--victim={spec}", "--device", "cpu")


@fuzzed
@given(attack=odd_texts, param=odd_texts, objective=odd_texts)
def test_any_attack(tmp_path: Path, clip: str, attack: str, param: str, objective: str) -> None:
    out = tmp_path / "run"
    known = ("--attack=pgd", f"--param={param}", f"--target={objective}", "--snr-db=10", "--steps=1")
    for options in ((f"--attack={attack}",), known, (f"--objective={objective}", "--snr-db=10", "--steps=1")):
        answered("attack", clip, "--victim=tiny", "--dry-run", *options, "--out", out)
    assert not out.exists()


@fuzzed
@given(text=odd_texts, number=st.one_of(st.floats(), st.integers()).map(str))
def test_any_input_and_number(tmp_path: Path, clip: str, text: str, number: str) -> None:
    with untouched(tmp_path, Path(clip).parent):
        if not text.startswith(("/", ".")) and text.strip():  # those would be folders of this machine
            answered("transcribe", "--victim=tiny", "--", text)
        for option in ("--snr-db", "--stages", "--seed", "--batch-size", "--max-queries", "--steps"):
            answered("attack", clip, "--victim=tiny", "--dry-run", "--snr-db=10", f"{option}={number}", "--out", tmp_path / "run")
