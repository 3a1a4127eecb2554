"""Damaged audio files, through the loader and the commands: heard, or refused in one line that names the file."""

from __future__ import annotations

import io
import json
import shutil
import struct
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import torch
from fuzzing import answered, fuzzed, no_hang, untouched
from hypothesis import given
from hypothesis import strategies as st
from speechlike import tones

from voiceattack.audio import clips as audio
from voiceattack.errors import AudioError

KINDS = ("wav", "flac", "mp3", "ogg", "aiff", "au", "caf", "w64", "rf64")
NUMBERS = (0, 1, 2, 7, 100, 0x7FFF, 0x8000, 0xFFFF, 10**9, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)


@cache
def whole(kind: str, channels: int = 1) -> bytes:
    """A small valid file."""
    samples = np.stack([tones(channel, 0.5).numpy() for channel in range(channels)], axis=1)
    stream = io.BytesIO()
    soundfile.write(stream, samples, 16_000, format=kind.upper(), subtype="FLOAT" if kind == "wav" and channels == 2 else None)
    return stream.getvalue()


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    """A suffix, and a valid file after a few mutations: bytes changed, cut, joined to another, numbers of its header replaced."""
    kind = draw(st.sampled_from(KINDS))
    data = bytearray(whole(kind, draw(st.sampled_from((1, 2)))))
    for _ in range(draw(st.integers(1, 3))):
        match draw(st.sampled_from(("byte", "header byte", "number", "cut", "join", "repeat", "noise"))):
            case "byte":
                data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
            case "header byte":
                data[draw(st.integers(0, min(120, len(data)) - 1))] = draw(st.integers(0, 255))
            case "number":
                width = draw(st.sampled_from(("<I", ">I", "<H", ">H", "<Q", ">Q")))
                place = draw(st.integers(0, min(120, len(data) - 8)))
                size = struct.calcsize(width)
                data[place : place + size] = struct.pack(width, draw(st.sampled_from(NUMBERS)) & ((1 << 8 * size) - 1))
            case "cut":
                del data[draw(st.integers(9, len(data))) :]
            case "join":
                data += whole(draw(st.sampled_from((kind, kind, *KINDS))), draw(st.sampled_from((1, 2))))
            case "repeat":
                start = draw(st.integers(0, len(data) - 1))
                data[start:start] = data[start : start + draw(st.integers(1, 600))]
            case _:
                start = draw(st.integers(0, len(data)))
                data[start:start] = draw(st.binary(max_size=64))
        data = data[:100_000] if len(data) > 9 else bytearray(whole(kind))
    return kind, bytes(data)


def put(folder: Path, kind: str, data: bytes) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = folder / f"x.{kind}"
    path.write_bytes(data)
    return path


@fuzzed
@given(damaged())
def test_the_loader_hears_or_refuses(tmp_path: Path, case: tuple[str, bytes]) -> None:
    path = put(tmp_path / "in", *case)
    with untouched(tmp_path), no_hang():
        try:
            waveform, warnings = audio.load_with_warnings(path)
        except AudioError as error:
            assert "\n" not in str(error) and path.name in str(error)
            assert "callback" not in str(error)
        else:
            assert waveform.ndim == 1 and bool(torch.isfinite(waveform).all()) and float(waveform.abs().max()) <= 1.0
            assert len(waveform) >= 1600 * 0.99 and all(warnings) and not any("\n" in line for line in warnings)
        for ask in (audio.info, audio.read_comment):
            try:
                ask(path)
            except AudioError as error:
                assert "\n" not in str(error) and path.name in str(error)


@fuzzed
@given(damaged())
def test_transcribe_answers(tmp_path: Path, case: tuple[str, bytes]) -> None:
    path = put(tmp_path / "in", *case)
    fine = tmp_path / "fine.flac"
    audio.save(fine, tones(0))
    out = tmp_path / "out.json"
    with untouched(tmp_path / "in"):
        told = answered("transcribe", path, fine, "--victim", "tiny", "-o", out)
    assert told.code == 0  # one of the two is fine
    bad, good = json.loads(out.read_text())
    assert good["error"] is None and (bad["error"] is None) == (bad["text"] is not None)
    assert bad["error"] is None or path.name in told.err
    assert sorted(item.name for item in tmp_path.iterdir()) == ["fine.flac", "in", "out.json"]


@fuzzed
@given(damaged())
def test_attack_answers_and_does_the_others(tmp_path: Path, case: tuple[str, bytes]) -> None:
    path = put(tmp_path / "in", *case)
    audio.save(tmp_path / "in" / "fine.flac", tones(0))
    shutil.rmtree(tmp_path / "run", ignore_errors=True)
    quick = ("--victim", "tiny", "--attack", "noise", "--snr-db", "20", "--no-report", "--keep-format", "--out", tmp_path / "run")
    with untouched(tmp_path / "in"):
        told = answered("attack", tmp_path / "in", *quick)
    assert told.code == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "examples.jsonl").read_text().splitlines()]
    assert {Path(line["source"]).name for line in lines} == {"fine.flac", path.name}
    assert all(line["error"] is None for line in lines if line["source"].endswith("fine.flac"))
    assert sorted(item.name for item in tmp_path.iterdir()) == ["in", "run"]


@fuzzed
@given(
    data=st.binary(max_size=300), magic=st.sampled_from((b"", b"RIFF", b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b".snd", b"FORM"))
)
def test_bytes_that_are_no_audio_are_refused_by_name(tmp_path: Path, data: bytes, magic: bytes) -> None:
    path = put(tmp_path / "in", "wav", magic + data)
    with untouched(tmp_path):
        told = answered("transcribe", path, "--victim", "tiny")
    assert told.code == 2 and path.name in told.err
