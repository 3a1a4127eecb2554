"""Parts of files and channels of them: the sound that a manifest's line names is what is heard, attacked, kept and replayed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml
from speechlike import in_process, tones, write_clips

from voiceattack.audio import clips as audio
from voiceattack.corpus import BadItem, Segment, Utterance, clip_at, read_corpus
from voiceattack.runs import Run

QUICK = ("--victim", "tiny", "--steps", "3", "--param", "check_every=3", "--snr-db", "20", "--no-report")
PIECES = [tones(seed, 0.6) for seed in range(3)]
SECONDS = len(PIECES[0]) / 16_000


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """Three pieces in one file."""
    path = tmp_path / "data" / "long.wav"
    path.parent.mkdir()
    audio.save(path, torch.cat(PIECES))
    return path


def nemo(path: Path, places: range = range(3), **more: Any) -> Path:
    """A manifest of the pieces of ``long.wav``."""
    manifest = path.with_name("m.json")
    lines = [{"audio_filepath": path.name, "offset": place * SECONDS, "duration": SECONDS, **more} for place in places]
    manifest.write_text("".join(json.dumps({**line, "text": f"piece {place}"}) + "\n" for place, line in enumerate(lines)))
    return manifest


def utterances(*inputs: Path) -> list[Utterance]:
    items = list(read_corpus(inputs))
    assert all(isinstance(item, Utterance) for item in items), items
    return [item for item in items if isinstance(item, Utterance)]


def pieces_heard(items: list[Utterance]) -> list[int]:
    """Which piece each item is, sample by sample."""
    loaded = [item.load()[0] for item in items]
    return [next(index for index, piece in enumerate(PIECES) if torch.equal(piece, wave)) for wave in loaded]


def test_a_segment_is_exactly_its_samples_and_has_its_own_name_place_and_digest(long: Path) -> None:
    items = utterances(nemo(long))
    assert pieces_heard(items) == [0, 1, 2]
    assert [item.text for item in items] == ["piece 0", "piece 1", "piece 2"]
    assert [item.name for item in items] == ["long-0.000-0.600", "long-0.600-1.200", "long-1.200-1.800"]
    assert items[1].place == f"{long}#t=0.6,1.2"
    assert len({item.digests()[1] for item in items}) == 3
    assert {item.digests()[0] for item in items} == {audio.file_sha256(long)}


def test_as_in_nemo_a_duration_alone_begins_at_the_start(long: Path) -> None:
    manifest = long.with_name("m.json")
    manifest.write_text(json.dumps({"audio_filepath": "long.wav", "duration": SECONDS, "text": "piece 0"}))
    assert pieces_heard(utterances(manifest)) == [0]


@pytest.mark.parametrize("duration", [1.8, 1.75, 1.85, 1.8000001, 90, None])
def test_a_whole_file_stays_a_whole_file_whatever_its_manifest_rounds(long: Path, duration: float | None) -> None:
    manifest = long.with_name("m.json")
    manifest.write_text(json.dumps({"audio_filepath": "long.wav", "offset": 0.0, "duration": duration}))
    (item,) = utterances(manifest)
    assert (item.segment, item.name, item.place) == (None, "long", str(long))
    assert item.digests() == (audio.file_sha256(long),) * 2


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3"])
def test_a_segment_of_a_coded_file_at_another_rate(tmp_path: Path, suffix: str) -> None:
    """Formats without exact seeking are read from their beginning."""
    t = np.arange(3 * 24_000) / 24_000
    wave = np.concatenate([0.5 * np.sin(2 * np.pi * hz * t[:24_000]) for hz in (300, 700, 1500)])
    soundfile.write(tmp_path / f"a.{suffix}", wave, 24_000)
    (tmp_path / "m.jsonl").write_text(json.dumps({"audio_filepath": f"a.{suffix}", "offset": 1.0, "duration": 1.0}))
    (item,) = utterances(tmp_path / "m.jsonl")
    heard, warnings = item.load()
    assert abs(len(heard) - 16_000) <= 1 and "resampled" in warnings[0]
    spectrum = np.abs(np.fft.rfft(heard[2000:14000].numpy()))
    assert abs(np.argmax(spectrum) * 16_000 / 12_000 - 700) < 5


def test_kaldi_segments(long: Path) -> None:
    folder = long.parent
    (folder / "wav.scp").write_text("\ufeffrec1 long.wav\nrec2 sox x.wav -t wav - |\n")
    (folder / "text").write_text("\ufeffutt-b piece 1\nutt-c\tpiece 2\n")
    lines = "utt-b rec1 0.6 1.2\nutt-c rec1 1.2 -1\nutt-d rec2 0 1\nutt-e rec9 0 1\nutt-f rec1 x 1\nutt-g rec1 1.2 0.6\n"
    lines += "utt-h rec1 nan 1\n"
    (folder / "segments").write_text("\ufeff" + lines)
    items = list(read_corpus([folder]))
    good, bad = [i for i in items if isinstance(i, Utterance)], [i for i in items if isinstance(i, BadItem)]
    assert pieces_heard(good) == [1, 2]
    assert [(item.name, item.text) for item in good] == [("utt-b", "piece 1"), ("utt-c", "piece 2")]
    words = ("not run", "'rec9' is not in wav.scp", "must read", "above 0", "the start is nan")
    assert [item.where for item in bad] == [f"{folder / 'segments'}:{n}" for n in (3, 4, 5, 6, 7)]
    assert all(word in item.error for word, item in zip(words, bad, strict=True)), bad


def cut(**changes: Any) -> dict[str, Any]:
    """A MonoCut of all of a two-channel recording's channel 0."""
    source = {"type": "file", "channels": [0, 1], "source": "st.wav"}
    return {
        "id": "c0",
        "start": 0.0,
        "duration": 0.6,
        "channel": 0,
        "type": "MonoCut",
        "supervisions": [{"id": "s", "start": 0.0, "duration": 0.6, "channel": 0, "text": "left"}],
        "recording": {"id": "r", "sources": [source], "sampling_rate": 16000, "num_samples": 9600, "duration": 0.6},
        **changes,
    }


@pytest.fixture
def stereo(tmp_path: Path) -> Path:
    """Two pieces side by side."""
    path = tmp_path / "st.wav"
    soundfile.write(path, torch.stack(PIECES[:2], dim=1).numpy(), 16_000, subtype="PCM_16")
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_lhotse_channels_and_parts(stereo: Path, packed: bool) -> None:
    right = [{"text": "left", "channel": 0}, {"text": "right", "channel": 1}]
    sources = [{"type": "file", "channels": [n], "source": name} for n, name in ((0, "gone.wav"), (1, "one.wav"))]
    audio.save(stereo.with_name("one.wav"), PIECES[2])
    lines = [cut(), cut(id="c1", channel=1, supervisions=right), cut(id="c2", channel=1, recording={"sources": sources})]
    lines += [cut(id="c3", start=0.1, duration=0.3, supervisions=[])]
    text = "\ufeff" + "".join(json.dumps(line) + "\n" for line in lines)
    path = stereo.with_name("cuts.jsonl.gz" if packed else "cuts.jsonl")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    items = utterances(path)
    assert pieces_heard(items[:3]) == [0, 1, 2]
    assert [(item.name, item.text) for item in items] == [("c0", "left"), ("c1", "right"), ("one", None), ("c3", None)]
    assert torch.equal(items[3].load()[0], PIECES[0][1600:6400])


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (cut(type="MixedCut", tracks=[]), "'MixedCut' is not read (it mixes"),
        (cut(type="PaddingCut"), "'PaddingCut'"),
        (cut(type="MultiCut", channel=[0, 1]), "'MultiCut'"),
        ({"id": "m", "tracks": []}, "'MixedCut'"),
        (cut(type=7), "'7'"),
        (cut(recording=None, features={"type": "fbank"}), "features only"),
        (
            cut(recording={**cut()["recording"], "transforms": [{"name": "Speed", "kwargs": {"factor": 1.1}}]}),
            "transforms (Speed)",
        ),
        (cut(transforms=["x"]), "transforms (unnamed)"),
        (cut(channel=2), "channel 2 is not in the recording, which has [0, 1]"),
        (cut(supervisions="hello"), "supervisions"),
        (cut(supervisions=["hello"]), "supervisions.0"),
        (cut(supervisions=[{"text": ["hello"]}]), "supervisions.0.text"),
        (cut(supervisions=[{"text": "hello", "start": 0.2, "duration": 5}]), "reaches beyond its cut"),
        (cut(start=0.5, duration=5), "the part ends at 5.500 s, but the file at 0.600 s"),
        (cut(start="x"), "start"),
        (cut(recording={"sources": []}), "recording.sources"),
        (cut(recording={"sources": [{"type": "command", "source": "touch x", "channels": [0]}]}), "'command'"),
    ],
)
def test_a_cut_that_cannot_be_honoured_is_refused_by_name_and_the_next_still_comes(stereo: Path, line: Any, word: str) -> None:
    path = stereo.with_name("cuts.jsonl")
    path.write_text("".join(json.dumps(one) + "\n" for one in (line, cut())))
    bad, good = read_corpus([path])
    assert isinstance(bad, BadItem) and word in bad.error, bad
    assert isinstance(good, Utterance) and pieces_heard([good]) == [0]


def test_segments_of_one_file_are_not_given_twice_but_the_same_one_is(long: Path) -> None:
    manifest = nemo(long)
    assert len(utterances(manifest, manifest, long)) == 4
    other = long.with_name("n.json")
    other.write_text(manifest.read_text().replace("piece 1", "something else"))
    *_, bad = read_corpus([manifest, other])
    assert bad == BadItem(f"{long}#t=0.6,1.2", "given twice, with 'piece 1' and then 'something else'; keep one of them")


@pytest.mark.parametrize("text", ["t=0.6,1.2", "t=0.6", "channel=1", "t=0.6,1.2&channel=1", "t=0,0.000001"])
def test_a_place_leads_back_to_its_clip(text: str) -> None:
    segment = Segment.parse(text)
    assert segment is not None and str(segment) == text
    assert clip_at(f"a.wav#{text}") == Utterance(Path("a.wav"), None, "a", segment=segment)
    assert Segment.parse("x") is None and Segment.parse("") is None and Segment.parse("t=1.2.3") is None


def test_a_run_of_segments_hears_keeps_resumes_and_replays_each(long: Path, tmp_path: Path) -> None:
    manifest, out = nemo(long), tmp_path / "run"
    first = in_process("attack", nemo(long, range(1)), *QUICK, "--keep-format", "--out", out)
    assert first.returncode == 0, first.stderr
    before = (out / "examples.jsonl").read_bytes()
    done = in_process("attack", nemo(long), *QUICK, "--keep-format", "--out", out)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert (out / "examples.jsonl").read_bytes().startswith(before)
    run = Run.open(out)
    examples = [example for example in run.examples() if example.control_for is None]
    assert [example.source for example in examples] == [item.place for item in utterances(manifest)]
    for piece, example in zip(PIECES, examples, strict=True):
        assert torch.equal(audio.load(out / str(example.clean_audio)), piece)
        original = audio.load(out / "original" / f"{example.id}.wav")
        assert original.shape == piece.shape and not torch.equal(original, piece)
        assert example.source_sha256 == audio.file_sha256(long)
        assert Segment(**example.recipe["segment"]) in [item.segment for item in utterances(manifest)]
        replayed = in_process("replay", out, example.id)
        assert replayed.returncode == 0, replayed.stderr
    rows = {row.id: row for row in run.results()}
    assert sorted(str(rows[example.id].reference) for example in examples) == ["piece 0", "piece 1", "piece 2"]


def test_a_segment_that_cannot_be_loaded_is_an_example_of_its_own(long: Path, tmp_path: Path) -> None:
    manifest = nemo(long)
    long.write_bytes(b"no audio at all" * 100)
    done = in_process("attack", manifest, *QUICK, "--out", tmp_path / "run")
    assert done.returncode == 2
    assert all(f"{long}#t={place * 0.6:g}," in done.stderr for place in (1, 2)), done.stderr
    assert "voiceattack-" not in done.stderr, "no temporary file's name"


def test_a_whole_file_has_the_id_it_always_had(tmp_path: Path) -> None:
    (clip,) = write_clips(tmp_path / "in", 1)
    (tmp_path / "m.json").write_text(json.dumps({"audio_filepath": clip, "duration": 0.6}))
    for given, out in ((clip, "a"), (tmp_path / "m.json", "b")):
        assert in_process("attack", given, *QUICK, "--no-evaluate", "--out", tmp_path / out).returncode == 0
    (a, *_), (b, *_) = Run.open(tmp_path / "a").examples(), Run.open(tmp_path / "b").examples()
    assert a.id == b.id == f"clip0-{audio.file_sha256(clip)[:8]}-pgd" and a.sha256 == b.sha256
    assert "segment" not in a.recipe and a.source == clip


def test_a_suite_runs_segments_and_kaldi_names(long: Path, tmp_path: Path) -> None:
    folder = long.parent
    (folder / "wav.scp").write_text("rec1 long.wav\n")
    (folder / "segments").write_text("utt-b rec1 0.6 1.2\nutt-c rec1 1.2 1.8\n")
    suite = {
        "inputs": [{"path": "data", "tags": ["speech"]}],
        "victims": ["tiny"],
        "attacks": [{"attack": "pgd", "params": {"steps": 2, "check_every": 1}, "budget": {"snr_db": 15}}],
        "gates": [{"gate": "error_rate == 0", "min_clips": 1}],
    }
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(suite))
    dry = in_process("run", tmp_path / "suite.yaml", "--dry-run", "--out", tmp_path / "out")
    assert dry.returncode == 0 and "2 of 2 artefacts to craft" in dry.stdout, (dry.stdout, dry.stderr)
    for _ in range(2):
        done = in_process("run", tmp_path / "suite.yaml", "--out", tmp_path / "out")
        assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert found["counts"]["clips"] == 2 and found["counts"]["reused"] == 2 and found["counts"]["crafted"] == 0
    assert len(found["examples"]) == 2 and {one["id"].split("-")[1] for one in found["examples"]} == {"b", "c"}


def test_crosstalk_takes_another_segment_and_finds_it_again(long: Path, tmp_path: Path) -> None:
    manifest = nemo(long)
    done = in_process(
        "attack", manifest, "--victim", "tiny", "--attack", "corruption:crosstalk", "--no-report", "--out", tmp_path / "r"
    )
    assert done.returncode == 0, done.stderr
    examples = [example for example in Run.open(tmp_path / "r").examples() if example.control_for is None]
    places = {item.place: audio.pcm_sha256(item.load()[0]) for item in utterances(manifest)}
    for example in examples:
        drawn = example.recipe["draws"]
        assert drawn["path"] != example.source and places[drawn["path"]] == drawn["pcm_sha256"]
        assert in_process("replay", tmp_path / "r", example.id).returncode == 0


def test_transcribe_and_fit_take_segments(long: Path, tmp_path: Path) -> None:
    manifest = nemo(long)
    whole = write_clips(tmp_path / "in", 0) or [str(tmp_path / f"{index}.wav") for index in range(3)]
    for path, piece in zip(whole, PIECES, strict=True):
        audio.save(path, piece)
    heard = []
    for inputs in ([manifest], whole):
        done = in_process("transcribe", *inputs, "--victim", "tiny")
        assert done.returncode == 0, done.stderr
        heard.append([line.split("\t")[1] for line in done.stdout.splitlines()])
    assert heard[0] == heard[1]
    out = tmp_path / "u.flac"
    done = in_process("fit", manifest, "--victim", "tiny", "--steps", "2", "--seconds", "0.1", "--out", out)
    assert done.returncode == 0, done.stderr
    assert json.loads(out.with_suffix(".json").read_text())["clips"] == [Path(item.place).name for item in utterances(manifest)]
