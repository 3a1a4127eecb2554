"""Damaged audio files, through the loader and the commands: heard, or refused in one line that names the file."""

from __future__ import annotations

from pathlib import Path

from fuzzing import answered, fuzzed, untouched
from hypothesis import given
from hypothesis import strategies as st


@fuzzed
@given(data=st.binary(max_size=300))
def test_bytes_that_are_no_audio_are_refused_by_name(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "noise.wav"
    file.write_bytes(data)
    with untouched(tmp_path):
        told = answered("transcribe", file, "--victim", "tiny")
    assert told.code == 2
    assert "noise.wav" in told.err
