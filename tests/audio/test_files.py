"""Audio in and out: exact 16-bit round trips, other formats and rates, the original's own format, batches."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from speechlike import ROOT, tone

from voiceattack.audio import clips as audio
from voiceattack.errors import AudioError

SPEECH = Path(os.environ.get("VOICEATTACK_SPEECH", ROOT.parent / "shared" / "speech"))


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


def test_a_batch_pads_on_the_right_and_gives_its_clips_back() -> None:
    clips = [tone(0.1), tone(0.3), tone(0.2)]
    batch = audio.Batch.of(clips)
    assert batch.waveforms.shape == (3, 4800)
    assert batch.lengths.tolist() == [1600, 4800, 3200]
    assert batch.mask().sum(dim=1).tolist() == [1600, 4800, 3200]
    assert not batch.waveforms[~batch.mask()].any()
    assert all(torch.equal(a, b) for a, b in zip(batch.clips(), clips, strict=True))
    assert [len(clip) for clip in batch.select([2, 0]).clips()] == [3200, 1600]
