"""Files of which libsndfile alone hears nothing or a part: no length told, several recordings in one, channels that cancel."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import correlate
from speechlike import in_process, tones
from torch import Tensor

from voiceattack.audio import clips as audio
from voiceattack.audio.files import MAX_AMPLITUDE
from voiceattack.errors import AudioError

RATE = 16_000
FORMATS = ("wav", "rf64", "aiff", "au", "caf", "w64")


def sound(seed: int = 0, seconds: float = 1.0) -> Tensor:
    return audio.quantize16(tones(seed, seconds))


def encoded(waveform: Tensor, kind: str, rate: int = RATE, subtype: str | None = None) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, waveform.t().numpy(), rate, format=kind.upper(), subtype=subtype)
    return stream.getvalue()


def written(folder: Path, data: bytes, kind: str) -> Path:
    path = folder / f"x.{kind}"
    path.write_bytes(data)
    return path


def loaded(folder: Path, data: bytes, kind: str) -> tuple[Tensor, list[str]]:
    path = written(folder, data, kind)
    waveform, warnings = audio.load_with_warnings(path)
    assert audio.info(path).frames == pytest.approx(len(waveform), abs=1200)  # an encoder's delay
    return waveform, warnings


def at_size(data: bytes, kind: str) -> tuple[int, str]:
    """Where a container says how many bytes of sound it holds, and as what."""
    if kind == "rf64":
        return data.index(b"ds64") + 16, "<q"
    if kind == "au":
        return 8, {b".snd": ">I", b"dns.": "<I"}[data[:4]]
    name, width = {"wav": (b"data", "<I"), "aiff": (b"SSND", ">I"), "caf": (b"data", ">q"), "w64": (b"data", "<q")}[kind]
    return data.index(name) + (16 if kind == "w64" else 4), width


def with_size(data: bytes, kind: str, size: int) -> bytes:
    place, width = at_size(data, kind)
    told = struct.pack(width, size if "q" in width else size & 0xFFFFFFFF)
    return data[:place] + told + data[place + len(told) :]


# No length, or not the true one


@pytest.mark.parametrize("size", [0, 2_000_000_000, 0x7FFFFFFF, -1])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_recorder_that_was_killed_is_heard_to_the_end(tmp_path: Path, kind: str, size: int) -> None:
    waveform, warnings = loaded(tmp_path, with_size(encoded(sound(), kind, subtype="PCM_16"), kind, size), kind)
    assert torch.equal(waveform, sound())
    # For these two libsndfile itself takes all there is, and does not say so.
    if (kind, size) not in {("aiff", 0), ("w64", 0)}:
        assert len(warnings) == 1 and "tells no length" in warnings[0] and "end of the file" in warnings[0]


def test_a_riff_header_that_was_never_finished(tmp_path: Path) -> None:
    data = bytearray(with_size(encoded(sound(), "wav"), "wav", 0))
    data[4:8] = bytes(4)
    waveform, warnings = loaded(tmp_path, bytes(data), "wav")
    assert torch.equal(waveform, sound()) and len(warnings) == 1


def test_a_header_that_was_written_while_recording_counts_the_beginning_only(tmp_path: Path) -> None:
    for kind in ("wav", "au", "aiff", "caf"):
        waveform, warnings = loaded(tmp_path, with_size(encoded(sound(), kind, subtype="PCM_16"), kind, 8008), kind)
        assert torch.equal(waveform, sound()), kind
        assert len(warnings) == 1 and "8008 bytes" in warnings[0], kind


@pytest.mark.parametrize("missing", [1, 4, 159])
@pytest.mark.parametrize("kind", ["wav", "aiff", "au"])
def test_a_few_samples_short_is_heard_with_a_warning(tmp_path: Path, kind: str, missing: int) -> None:
    waveform, warnings = loaded(tmp_path, encoded(sound(), kind, subtype="PCM_16")[: -2 * missing], kind)
    assert torch.equal(waveform, sound()[:-missing])
    assert len(warnings) == 1 and f"{missing} samples fewer" in warnings[0]


@pytest.mark.parametrize(("seconds", "missing"), [(1.0, 200), (1.0, 8000), (60.0, 1700), (60.0, 48_000)])
@pytest.mark.parametrize("kind", ["wav", "aiff", "au"])
def test_more_than_a_hundredth_or_a_tenth_of_a_second_is_truncated(
    tmp_path: Path, kind: str, seconds: float, missing: int
) -> None:
    quiet = torch.zeros(round(seconds * RATE))
    path = written(tmp_path, encoded(quiet, kind, subtype="PCM_16")[: -2 * missing], kind)
    with pytest.raises(AudioError, match="truncated"):
        audio.load(path)


def test_a_header_without_any_sound_is_truncated_and_an_empty_file_holds_none(tmp_path: Path) -> None:
    data = encoded(sound(), "wav")
    with pytest.raises(AudioError, match="truncated"):
        audio.load(written(tmp_path, data[:44], "wav"))
    with pytest.raises(AudioError, match="holds no audio"):
        audio.load(written(tmp_path, with_size(data, "wav", 0)[:44], "wav"))
    empty = with_size(data, "wav", 0)[:44] + b"LIST" + struct.pack("<I", 4000) + b"INFO" + bytes(3996)
    with pytest.raises(AudioError, match="holds no audio"):
        audio.load(written(tmp_path, empty, "wav"))


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize(
    "tail",
    [
        b"LIST" + struct.pack("<I", 20_000) + b"INFO" + bytes(19_996),
        b"TAG" + b"x" * 20_000,
        b"ID3\x04\0\0\0\0\0\x7f" + b"x" * 20_000,
        bytes(20_000),
        b"noise, but few",
    ],
    ids=["chunk", "id3v1", "id3v2", "zeros", "few"],
)
def test_what_follows_the_sound_and_is_none_is_not_heard(tmp_path: Path, tail: bytes, padded: bool) -> None:
    data = encoded(sound()[:-1], "wav", subtype="PCM_U8")
    data = data[: -1 if len(data) % 2 == 0 and not padded else None]
    plain, _ = loaded(tmp_path, encoded(sound()[:-1], "wav", subtype="PCM_U8"), "wav")
    waveform, warnings = loaded(tmp_path, data + tail, "wav")
    assert torch.equal(waveform, plain) and warnings == []


def flac_without_length(waveform: Tensor) -> bytes:
    data = bytearray(encoded(waveform, "flac"))
    data[21:26] = bytes([data[21] & 0xF0, 0, 0, 0, 0])  # the 36 bits of STREAMINFO's sample count
    return bytes(data)


def test_a_streamed_flac_that_does_not_know_its_length(tmp_path: Path) -> None:
    waveform, warnings = loaded(tmp_path, flac_without_length(sound(seconds=70.0)), "flac")  # more than one block of frames
    assert torch.equal(waveform, sound(seconds=70.0))
    assert len(warnings) == 1 and "tells no length" in warnings[0]


def frames_of(mp3: bytes) -> list[bytes]:
    """The frames of an MPEG 2 layer III file at 16 kHz."""
    kbps = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
    found, place = [], 0
    while place < len(mp3):
        size = 72_000 * kbps[mp3[place + 2] >> 4] // RATE + (mp3[place + 2] >> 1 & 1)
        found.append(mp3[place : place + size])
        place += size
    return found


def test_mp3_of_changing_bit_rate_without_an_index(tmp_path: Path) -> None:
    speech = torch.cat([torch.zeros(RATE), sound(seconds=2.0), torch.zeros(RATE)])
    whole = encoded(speech, "mp3")
    index, *frames = frames_of(whole)
    assert b"Xing" in index and len({len(frame) for frame in frames}) > 1
    waveform, warnings = loaded(tmp_path, b"".join(frames), "mp3")
    assert 0 <= 576 * len(frames) - len(waveform) <= 576  # the decoder's delay is left out
    assert len(warnings) == 1 and "no index" in warnings[0]
    expected, _ = loaded(tmp_path, whole, "mp3")
    delay = int(np.argmax(correlate(waveform[:61_199].numpy(), expected[:60_000].numpy(), "valid", method="fft")))
    assert torch.allclose(waveform[delay : delay + 60_000], expected[:60_000], atol=1e-4)
    # Cut inside its last frame, it may lack more: that is told.
    assert any("inside a frame" in line for line in loaded(tmp_path, b"".join(frames)[:-20], "mp3")[1])


# Several recordings in one file


@pytest.mark.parametrize("kind", [*FORMATS, "flac", "ogg", "mp3"])
def test_all_recordings_that_are_joined_in_a_file_are_heard(tmp_path: Path, kind: str) -> None:
    parts = [encoded(sound(seed, seconds), kind) for seed, seconds in ((0, 1.0), (1, 2.0), (2, 0.5))]
    alone = [loaded(tmp_path, part, kind)[0] for part in parts]
    waveform, warnings = loaded(tmp_path, b"".join(parts), kind)
    assert torch.equal(waveform, torch.cat(alone))
    assert warnings == ["3 recordings are joined in this file: heard one after the other"]


def test_joined_mp3_with_tags_between_and_without_an_index(tmp_path: Path) -> None:
    one, two = (encoded(sound(seed), "mp3") for seed in range(2))
    first, second = (loaded(tmp_path, data, "mp3")[0] for data in (one, two))
    picture = b"ID3\x04\0\0" + bytes([0, 5, 0, 0]) + bytes(5 << 14)  # 80 kB, as a cover is
    trailer = b"TAG" + bytes(125)
    for between in (picture, trailer, trailer + picture):
        waveform, warnings = loaded(tmp_path, picture + one + between + two + trailer, "mp3")
        assert torch.equal(waveform, torch.cat([first, second])) and len(warnings) == 1
    bare = b"".join(frames_of(two)[1:])
    waveform, warnings = loaded(tmp_path, one + bare, "mp3")  # goes on where the first one's index says that it ends
    assert torch.equal(waveform[: len(first)], first)
    assert abs(len(waveform) - len(first) - 576 * len(frames_of(bare))) <= 1152
    assert any("joined" in line for line in warnings)


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
def test_recordings_of_different_formats_are_refused_for_what_they_are(tmp_path: Path, kind: str) -> None:
    stereo = torch.stack([sound(), sound(1)])
    for other in (encoded(sound(), kind, 24_000), encoded(stereo, kind)):
        with pytest.raises(AudioError, match="different formats"):
            audio.load(written(tmp_path, encoded(sound(), kind) + other, kind))


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
def test_the_last_of_joined_recordings_may_be_truncated(tmp_path: Path, kind: str) -> None:
    one = encoded(sound(), kind)
    with pytest.raises(AudioError, match="truncated"):
        audio.load(written(tmp_path, one + one[: len(one) * 2 // 3], kind))


# Channels that cancel


@pytest.mark.parametrize("offset", [0.0, 0.1])
def test_channels_out_of_phase_are_heard(tmp_path: Path, offset: float) -> None:
    speech = sound()
    both = torch.stack([speech + offset, offset - speech])
    waveform, warnings = loaded(tmp_path, encoded(both, "wav", subtype="FLOAT"), "wav")
    assert torch.allclose(waveform, speech, atol=1e-6)
    assert len(warnings) == 2 and "cancel" in warnings[0] and "channel 2" in warnings[0]
    assert warnings[1] == "2 channels mixed down to one by their mean"


def test_channels_that_nearly_cancel_and_several_of_them(tmp_path: Path) -> None:
    speech, room = sound(), 0.01 * torch.randn(2, RATE, generator=torch.Generator().manual_seed(0))
    near = torch.stack([speech, -0.8 * speech]) + room
    waveform, warnings = loaded(tmp_path, encoded(near, "wav"), "wav")
    assert float((waveform * speech).sum() / speech.square().sum()) == pytest.approx(0.9, abs=0.02) and len(warnings) == 2
    four = torch.stack([speech, -speech, speech, -speech])
    waveform, warnings = loaded(tmp_path, encoded(four, "wav"), "wav")
    assert torch.allclose(waveform, speech, atol=1e-4) and "channel 2, 4" in warnings[0]


@pytest.mark.parametrize(
    "layout",
    [
        lambda a, b: [a, a],
        lambda a, b: [a, b],
        lambda a, b: [a, torch.zeros_like(a)],
        lambda a, b: [torch.zeros_like(a), torch.zeros_like(a)],
        lambda a, b: [a, -0.3 * a],
        lambda a, b: [a, b, -0.5 * a, 0.1 * b, a, b, a, a],
    ],
    ids=["same", "unrelated", "one silent", "silent", "partly", "eight"],
)
def test_other_channels_are_mixed_as_ever(tmp_path: Path, layout: Callable[[Tensor, Tensor], list[Tensor]]) -> None:
    channels = torch.stack(layout(sound(0), sound(1)))
    waveform, warnings = loaded(tmp_path, encoded(channels, "wav", subtype="FLOAT"), "wav")
    assert warnings == [f"{len(channels)} channels mixed down to one by their mean"]
    assert torch.equal(waveform, torch.from_numpy(channels.numpy().T.copy().mean(axis=1)))


def test_a_perturbation_is_carried_back_to_channels_that_cancel(tmp_path: Path) -> None:
    path = written(tmp_path, encoded(torch.stack([sound(), -sound()]), "wav"), "wav")
    delta = audio.quantize16(0.01 * torch.randn(RATE, generator=torch.Generator().manual_seed(0)))
    audio.save(tmp_path / "out.wav", audio.carry_back(path, delta))
    assert torch.allclose(audio.load(tmp_path / "out.wav"), audio.load(path) + delta, atol=1e-4)


# Absurd samples


@pytest.mark.parametrize("value", [3e38, -3e38, MAX_AMPLITUDE * 1.01])
@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_an_absurd_sample_is_refused_for_what_it_is(tmp_path: Path, value: float, rate: int) -> None:
    samples = sound().clone()
    samples[500] = value
    with pytest.raises(AudioError, match=r"a sample of .* times full scale.*damaged"):
        audio.load(written(tmp_path, encoded(samples, "wav", rate, "FLOAT"), "wav"))


@pytest.mark.parametrize("rate", [8000, 44_100])
def test_the_loudest_samples_that_are_taken_stay_finite(tmp_path: Path, rate: int) -> None:
    samples = sound().clone()
    samples[500] = MAX_AMPLITUDE
    waveform, warnings = audio.load_with_warnings(written(tmp_path, encoded(samples, "wav", rate, "FLOAT"), "wav"))
    assert bool(torch.isfinite(waveform).all()) and "clipped" in warnings[-1]


# What users see


def test_transcribe_tells_what_the_loader_says(tmp_path: Path) -> None:
    odd = written(tmp_path, with_size(encoded(sound(), "wav"), "wav", 0), "wav")
    plain = tmp_path / "plain.flac"
    audio.save(plain, sound())
    for suffix in (".json", ".csv", ".txt"):
        done = in_process("transcribe", odd, plain, "--victim", "tiny", "-o", tmp_path / f"out{suffix}")
        assert done.returncode == 0
        assert [line for line in done.stderr.splitlines() if "note" in line] == [
            f"voiceattack: {odd}: note: the header tells no length (the recorder was stopped before it could): "
            "heard to the end of the file"
        ]
    rows = json.loads((tmp_path / "out.json").read_text())
    assert [len(row["warnings"]) for row in rows] == [1, 0]
    assert "tells no length" in (tmp_path / "out.csv").read_text()
    assert in_process("transcribe", odd, "--victim", "tiny", "--quiet").stderr == ""


def test_warnings_of_the_loader_are_in_a_runs_record(tmp_path: Path) -> None:
    odd = written(tmp_path, encoded(torch.stack([sound(), -sound()]), "wav"), "wav")
    done = in_process("attack", odd, "--victim", "tiny", "--attack", "noise", "--out", tmp_path / "run", "--no-report")
    assert done.returncode == 0
    (example,) = (json.loads(line) for line in (tmp_path / "run" / "examples.jsonl").read_text().splitlines())
    assert any("cancel" in line for line in example["warnings"])
