"""Audio in and out: exact 16-bit round trips, one clear line for every kind of bad file, whole files or none."""

from __future__ import annotations

import os
import resource
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from torch import Tensor

from voiceattack.audio import clips as audio
from voiceattack.errors import AudioError, DiskError

ROOT = Path(__file__).resolve().parents[2]
SPEECH = Path(os.environ.get("VOICEATTACK_SPEECH", ROOT.parent / "shared" / "speech"))


def tone(seconds: float = 0.5, rate: int = 16_000, hz: float = 440.0, level: float = 0.5) -> Tensor:
    return level * torch.sin(2 * torch.pi * hz * torch.arange(round(seconds * rate)) / rate)


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


# Round trips


@pytest.mark.parametrize("suffix", ["flac", "wav"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(samples=st_numpy.arrays(np.float32, st.integers(1600, 2000), elements=st.floats(-1.5, 1.5, width=32)))
def test_what_is_saved_loads_as_its_16_bit_rounding_exactly(tmp_path: Path, suffix: str, samples: np.ndarray) -> None:
    waveform = torch.from_numpy(samples)
    path = tmp_path / f"x.{suffix}"
    audio.save(path, waveform, comment="tagged")
    loaded = audio.load(path)
    assert loaded.dtype == torch.float32
    assert torch.equal(loaded, audio.quantize16(waveform))
    assert audio.pcm_sha256(loaded) == audio.pcm_sha256(waveform)


@pytest.mark.parametrize("suffix", ["flac", "wav"])
def test_every_16_bit_value_survives(tmp_path: Path, suffix: str) -> None:
    grid = torch.arange(-32768, 32768).float() / 32768
    audio.save(tmp_path / f"x.{suffix}", grid)
    assert torch.equal(audio.load(tmp_path / f"x.{suffix}"), grid)


@pytest.mark.parametrize("suffix", ["flac", "wav"])
def test_same_arguments_same_bytes(tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / f"{name}.{suffix}" for name in "ab"]
    for path in paths:
        audio.save(path, tone(), comment="run=1", title="t")
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert audio.file_sha256(paths[0]) == audio.file_sha256(paths[1])


@pytest.mark.parametrize("suffix", ["flac", "wav"])
def test_the_comment_reads_back_and_leaves_the_samples_alone(tmp_path: Path, suffix: str) -> None:
    comment = "adversarial audio made by voiceattack 0.1.0; run=abc; source=sha256:" + "0" * 64
    plain, tagged = tmp_path / f"plain.{suffix}", tmp_path / f"tagged.{suffix}"
    audio.save(plain, tone())
    audio.save(tagged, tone(), comment=comment, title="title")
    assert audio.read_comment(tagged) == comment
    assert audio.read_comment(plain) is None
    assert (soundfile.read(tagged, dtype="int16")[0] == soundfile.read(plain, dtype="int16")[0]).all()
    assert audio.info(tagged) == audio.AudioInfo(16_000, 1, 8000, "PCM_16", 0.5)


def test_saving_does_not_depend_on_the_gradient(tmp_path: Path) -> None:
    audio.save(tmp_path / "x.wav", tone().requires_grad_())
    assert torch.equal(audio.load(tmp_path / "x.wav"), audio.quantize16(tone()))


def test_digests_of_known_content(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert audio.file_sha256(tmp_path / "x") == audio.text_sha256("abc") == abc
    # "ab" as one little-endian int16
    assert audio.pcm_sha256(torch.tensor([0x6261 / 32768])) == audio.text_sha256("ab")


# Other formats, rates and layouts


def test_8_khz_stereo_loads_as_16_khz_mono(tmp_path: Path) -> None:
    left, right = tone(rate=8000), torch.zeros(4000)
    soundfile.write(tmp_path / "x.wav", torch.stack([left, right], dim=1).numpy(), 8000)
    loaded, warnings = audio.load_with_warnings(tmp_path / "x.wav")
    assert loaded.shape == (8000,)
    inner = slice(800, -800)
    assert torch.allclose(loaded[inner], tone()[inner] / 2, atol=2e-3)
    assert warnings == ["2 channels mixed down to one by their mean", "resampled from 8000 Hz to 16000 Hz"]


@pytest.mark.parametrize("rate", [11_025, 22_050, 44_100, 48_000])
def test_resampling_keeps_a_tone_and_is_deterministic(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "x.flac", tone(rate=rate).numpy(), rate)
    first, second = audio.load(tmp_path / "x.flac"), audio.load(tmp_path / "x.flac")
    assert torch.equal(first, second)
    assert abs(len(first) - 8000) <= 1
    assert torch.allclose(first[800:7200], tone()[800:7200], atol=2e-3)


@pytest.mark.parametrize("suffix", ["ogg", "mp3", "aiff", "au", "caf", "w64"])
def test_other_formats_load(tmp_path: Path, suffix: str) -> None:
    soundfile.write(tmp_path / f"x.{suffix}", tone().numpy(), 16_000)
    assert abs(len(audio.load(tmp_path / f"x.{suffix}")) - 8000) < 4000
    assert audio.load(tmp_path / f"x.{suffix}").abs().max() <= 1


def test_silence_is_valid_audio(tmp_path: Path) -> None:
    audio.save(tmp_path / "x.flac", torch.zeros(3200))
    assert audio.load_with_warnings(tmp_path / "x.flac")[1] == []


def test_float_samples_beyond_full_scale_are_clipped_with_a_warning_and_keep_their_scale(tmp_path: Path) -> None:
    samples = tone(level=0.25).numpy()
    samples[100] = 3.0
    soundfile.write(tmp_path / "x.wav", samples, 16_000, subtype="FLOAT")
    loaded, warnings = audio.load_with_warnings(tmp_path / "x.wav")
    assert loaded[100] == 1.0
    assert torch.equal(loaded[101:], torch.from_numpy(samples)[101:])
    assert warnings == ["1 of 8000 samples beyond full scale (peak 3) were clipped"]


def test_a_wav_written_to_a_pipe_loads_though_its_header_does_not_know_its_length(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    audio.save(path, tone())
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = data[4:8] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(data)
    assert torch.equal(audio.load(path), audio.quantize16(tone()))


# Bad input: one clear line each


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


# Saving refuses, and leaves nothing behind


@pytest.mark.parametrize(
    ("name", "waveform", "word"),
    [
        ("x.mp3", torch.zeros(1600), r"\.flac or \.wav"),
        ("x", torch.zeros(1600), r"\.flac or \.wav"),
        ("x.wav", torch.zeros(0), "shape"),
        ("x.wav", torch.zeros(1, 1, 1600), "shape"),
        ("x.wav", torch.tensor([0.0, float("nan")]), "NaN"),
        ("x.flac", torch.zeros(9, 1600), "9 channels"),
    ],
)
def test_save_refuses(tmp_path: Path, name: str, waveform: Tensor, word: str) -> None:
    with pytest.raises(AudioError, match=word):
        audio.save(tmp_path / name, waveform)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_not_an_error_of_the_sound(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match=r"Not a directory|File exists"):
        audio.save(tmp_path / "file" / "x.wav", torch.zeros(1600))


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """As a full disk: no file may grow beyond ``size`` bytes; a write beyond it is an OSError."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Drop root's right to read everything, for a while."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.parametrize("suffix", ["flac", "wav"])
def test_a_write_cut_short_is_one_line_and_keeps_the_old_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    audio.save(path, tone(0.2))
    before = path.read_bytes()
    noise = torch.rand(160_000, generator=torch.Generator().manual_seed(0))
    with file_size_limit(4096), pytest.raises(DiskError, match=r"cannot be written .*free some space") as caught:
        audio.save(path, noise)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_a_really_full_disk_leaves_no_half_file(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        with pytest.raises(DiskError, match="No space left on device"):
            audio.save(disk / "x.wav", torch.rand(160_000))
        assert list(disk.iterdir()) == []
        audio.save(disk / "small.wav", tone(0.2))
        assert len(audio.load(disk / "small.wav")) == 3200
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_killed_while_saving_leaves_the_old_file_whole(tmp_path: Path) -> None:
    """A process that saves over and over is killed: whatever is under the file's name is one whole save."""
    path = tmp_path / "x.wav"
    program = (
        "import sys, torch\nfrom voiceattack import audio\nn = 0\n"
        "while True:\n"
        "    n += 1\n    audio.save(sys.argv[1], torch.full((200_000,), (n % 100) / 128))\n    print(n, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        process.kill()
    loaded = audio.load(path)
    assert loaded.shape == (200_000,)
    assert bool((loaded == loaded[0]).all())


# Keeping the original's format


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
@pytest.mark.parametrize("channels", [1, 2])
def test_carry_back_adds_the_perturbation_at_the_files_own_rate_and_layout(tmp_path: Path, rate: int, channels: int) -> None:
    original = torch.stack([tone(rate=rate, hz=300.0 * (c + 1), level=0.3) for c in range(channels)])
    soundfile.write(tmp_path / "in.wav", original.T.numpy(), rate)
    delta = tone(hz=1000.0, level=0.05)
    carried = audio.carry_back(tmp_path / "in.wav", delta)
    assert carried.shape == original.shape
    inner = slice(rate // 10, -rate // 10)
    expected = original + tone(rate=rate, hz=1000.0, level=0.05)
    assert torch.allclose(carried[:, inner], expected[:, inner], atol=1e-3)

    audio.save(tmp_path / "out.flac", carried, rate)
    assert (audio.info(tmp_path / "out.flac").sample_rate, audio.info(tmp_path / "out.flac").channels) == (rate, channels)
    change = audio.load(tmp_path / "out.flac") - audio.load(tmp_path / "in.wav")
    assert torch.allclose(change[1600:-1600], delta[1600:-1600], atol=1e-3)


def test_carry_back_of_nothing_changes_nothing_and_of_another_clip_is_refused(tmp_path: Path) -> None:
    audio.save(tmp_path / "in.flac", torch.stack([tone(rate=48_000), tone(rate=48_000, hz=200.0)]), 48_000)
    carried = audio.carry_back(tmp_path / "in.flac", torch.zeros(8000))
    audio.save(tmp_path / "out.flac", carried, 48_000)
    assert (tmp_path / "in.flac").read_bytes() == (tmp_path / "out.flac").read_bytes()
    with pytest.raises(AudioError, match=r"lasts 0\.500 s, but the perturbation 1\.000 s"):
        audio.carry_back(tmp_path / "in.flac", torch.zeros(16_000))


# Real files


@pytest.mark.parametrize("folder", [ROOT / "samples", SPEECH], ids=["samples", "speech"])
def test_real_clips_load_and_survive_a_round_trip(tmp_path: Path, folder: Path) -> None:
    clips = sorted(folder.glob("*.flac"))
    if not clips:
        pytest.skip(f"no clips in {folder}")
    for clip in clips[:: max(1, len(clips) // 5)]:
        waveform, warnings = audio.load_with_warnings(clip)
        assert warnings == []
        assert 0.01 < waveform.abs().max() <= 1.0
        assert len(waveform) == audio.info(clip).frames
        audio.save(tmp_path / "x.flac", waveform)
        assert torch.equal(audio.load(tmp_path / "x.flac"), waveform)


# Batches


def test_a_batch_pads_on_the_right_and_gives_its_clips_back() -> None:
    clips = [tone(0.1), tone(0.3), tone(0.2)]
    batch = audio.Batch.of(clips)
    assert batch.waveforms.shape == (3, 4800)
    assert batch.lengths.tolist() == [1600, 4800, 3200]
    assert batch.mask().sum(dim=1).tolist() == [1600, 4800, 3200]
    assert not batch.waveforms[~batch.mask()].any()
    assert all(torch.equal(a, b) for a, b in zip(batch.clips(), clips, strict=True))
    assert [len(clip) for clip in batch.select([2, 0]).clips()] == [3200, 1600]
