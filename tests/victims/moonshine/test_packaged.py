"""``moonshine-base``: real weights out of ONNX Runtime's files, against that library, on a real recording."""

from __future__ import annotations

import shutil
import struct
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from speechlike import ROOT

from voiceattack.audio import Batch
from voiceattack.audio import clips as audio
from voiceattack.errors import DigestError, VictimError
from voiceattack.victims import load_victim
from voiceattack.victims.moonshine.ort_file import read_ort
from voiceattack.victims.moonshine.packaged import MOONSHINE_BASE
from voiceattack.victims.moonshine.tokenizer import BytePairs
from voiceattack.victims.moonshine.victim import MoonshineVictim

installed = pytest.mark.skipif(find_spec("moonshine_cpp") is None, reason="moonshine-cpp is not installed (extra moonshine)")
CLIP = ROOT / "samples" / "command-46.flac"


@pytest.fixture(scope="module")
def victim() -> MoonshineVictim:
    found = load_victim("moonshine-base", "cpu")
    assert isinstance(found, MoonshineVictim)
    return found


@installed
@pytest.mark.skipif(find_spec("onnxruntime") is None, reason="onnxruntime is not installed")
def test_the_encoder_is_that_of_the_package(victim: MoonshineVictim) -> None:
    import onnxruntime

    wave = audio.load(CLIP)
    session = onnxruntime.InferenceSession(str(MOONSHINE_BASE.weights()[0]))
    (expected,) = session.run(None, {"input_values": wave[None].numpy()})
    with torch.no_grad():
        states = victim.network.model.encoder(wave[None]).last_hidden_state
    assert float(np.abs(states.numpy() - expected).max()) < 1e-4 * float(np.abs(expected).max())


@installed
def test_it_hears_a_sample_and_targets_go_through_its_tokens(victim: MoonshineVictim) -> None:
    (heard,) = victim.transcribe(Batch.of([audio.load(CLIP)]))
    assert heard.text.split() and heard.tokens is not None and 1 <= heard.tokens <= 30
    tokens = BytePairs.read(MOONSHINE_BASE.weights()[2])
    for text in (heard.text, "Unlock the front door.", "Zürich, 10 °C", "日本"):
        assert tokens.decode(tokens.encode(text)) == text
    wave = audio.load(CLIP)
    known, other = victim.loss(Batch.of([wave, wave]), [heard.text, "Unlock the front door."]).tolist()
    assert known < 0.2 * other, "what it hears is likelier than what it does not"


@installed
def test_files_that_are_not_those_expected_are_not_loaded(tmp_path: Path) -> None:
    for path in MOONSHINE_BASE.weights():
        shutil.copy(path, tmp_path)
    assert len(MOONSHINE_BASE.weights(tmp_path)) == 3
    with (tmp_path / "tokenizer.bin").open("ab") as stream:
        stream.write(b"\x01a")
    with pytest.raises(DigestError, match="not loaded"):
        MOONSHINE_BASE.weights(tmp_path)


@installed
@pytest.mark.parametrize("place", [0, 8, 40, 200, 5000])
def test_a_damaged_file_is_an_error_and_no_crash(tmp_path: Path, place: int) -> None:
    data = bytearray(MOONSHINE_BASE.weights()[0].read_bytes())
    data[place : place + 4] = struct.pack("<I", 0x7FFFFFF0)
    damaged = tmp_path / "encoder.ort"
    damaged.write_bytes(data)
    try:
        read_ort(damaged)
    except VictimError as error:
        assert str(damaged) in str(error)
    damaged.write_bytes(data[: len(data) // 2])
    with pytest.raises(VictimError, match=r"encoder\.ort"):
        read_ort(damaged)


def test_what_is_no_such_file_is_told(tmp_path: Path) -> None:
    for content in (b"", b"ORTM", b"\x00\x00\x00\x00ORTM", b"\xff" * 64, b"\x10\x00\x00\x00ORTM" + b"\xff" * 64):
        (tmp_path / "x.ort").write_bytes(content)
        with pytest.raises(VictimError, match=r"x\.ort"):
            read_ort(tmp_path / "x.ort")
    for content in (b"", b"\x05ab", b"\x80"):
        (tmp_path / "x.bin").write_bytes(content)
        with pytest.raises(VictimError, match=r"x\.bin"):
            BytePairs.read(tmp_path / "x.bin")


def test_byte_pairs_merge_in_the_order_of_their_ids() -> None:
    singles = [bytes([value]) for value in range(256)]
    blank = "\u2581".encode()
    tokens = BytePairs([b"<unk>", b"<s>", b"</s>", *singles, b"ab", b"bc", blank + b"a", b"abc", blank, b"a", b"b", b"c"])
    # "ab" (259) comes before "bc" (260) and the blank with a (261); then "abc" (262).
    assert tokens.encode("abc") == [263, 262]
    assert tokens.encode("bc") == [263, 260] and tokens.encode("a") == [261] and tokens.encode("  ") == []
    assert tokens.encode("é") == [263, 3 + 0xC3, 3 + 0xA9], "bytes where nothing spells it"
    assert tokens.decode([263, 262, 2]) == "abc" and tokens.decode(tokens.encode("c é")) == "c é"
