"""Bad audio files: one clear line for every kind, never a crash."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits import as_nobody
from speechlike import tone

from voiceattack.audio import clips as audio
from voiceattack.errors import AudioError


def refused(path: Path, *words: str) -> str:
    """The one line with which ``load`` refuses a file: it names the file and says each of ``words``."""
    with pytest.raises(AudioError) as caught:
        audio.load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    for word in words:
        assert word in message
    return message


@pytest.mark.parametrize("suffix", ["flac", "wav", "aiff", "au", "ogg", "mp3"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_truncated(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"x.{suffix}"
    noise = torch.randn(32_000, generator=torch.Generator().manual_seed(0)) * 0.1
    soundfile.write(path, noise.numpy(), 16_000)
    audio.load(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    refused(path)


def test_truncated_says_so(tmp_path: Path) -> None:
    audio.save(tmp_path / "x.wav", tone())
    (tmp_path / "x.wav").write_bytes((tmp_path / "x.wav").read_bytes()[:9000])
    refused(tmp_path / "x.wav", "truncated", "copy or record")


def test_text_renamed_wav(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_text("this is not audio\n" * 100)
    refused(tmp_path / "x.wav", "not audio", "ffmpeg")


def test_headerless_raw(tmp_path: Path) -> None:
    (tmp_path / "x.raw").write_bytes(bytes(32_000))
    refused(tmp_path / "x.raw", "not audio")


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "x.wav").touch()
    refused(tmp_path / "x.wav", "empty (0 bytes)")


def test_zero_length(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", np.zeros(0, np.float32), 16_000)
    refused(tmp_path / "x.wav", "zero length")


@pytest.mark.parametrize("frames", [1, 1599])
def test_too_short_to_hear(tmp_path: Path, frames: int) -> None:
    audio.save(tmp_path / "x.wav", torch.full((frames,), 0.1))
    refused(tmp_path / "x.wav", "too short to hear", "0.1 s")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(tmp_path: Path, value: float) -> None:
    samples = tone().numpy()
    samples[1234] = value
    soundfile.write(tmp_path / "x.wav", samples, 16_000, subtype="FLOAT")
    refused(tmp_path / "x.wav", "NaN or infinite")


def test_missing_folder_and_odd_paths(tmp_path: Path) -> None:
    refused(tmp_path / "missing.wav", "no such file")
    refused(tmp_path, "is a folder")
    os.mkfifo(tmp_path / "pipe.wav")
    refused(tmp_path / "pipe.wav", "no regular file")
    (tmp_path / "x.wav").touch()
    refused(tmp_path / "x.wav" / "y.wav", "cannot be read", "Not a directory")
    refused(tmp_path / ("x" * 300 + ".wav"), "too long")


def test_a_file_without_read_permission() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.wav"
        audio.save(path, tone())
        path.chmod(0)
        Path(folder).chmod(0o755)  # pytest's own folders are closed to others
        with as_nobody():
            refused(path, "Permission denied")
            with pytest.raises(AudioError, match="cannot be read"):
                audio.file_sha256(path)


def test_an_absurd_sample_rate(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", tone().numpy(), 1)
    refused(tmp_path / "x.wav", "1 Hz is no sample rate")


def test_a_header_that_promises_more_than_memory_holds(tmp_path: Path) -> None:
    path = tmp_path / "x.flac"
    audio.save(path, tone())
    data = bytearray(path.read_bytes())
    data[21] |= 0x0F  # the top of STREAMINFO's 36-bit sample count
    path.write_bytes(data)
    refused(path, "truncated")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=400),
    suffix=st.sampled_from(["wav", "flac", "ogg", "mp3"]),
    magic=st.sampled_from([b"RIFF", b"fLaC", b"OggS", b""]),
)
def test_garbage_is_refused_or_loads_but_never_crashes(tmp_path: Path, data: bytes, suffix: str, magic: bytes) -> None:
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(magic + data)
    try:
        assert torch.isfinite(audio.load(path)).all()
    except AudioError as error:
        assert "\n" not in str(error)
