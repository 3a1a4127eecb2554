"""Damaged manifests of every kind: each line is heard or named, a good clip beside them is always heard."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fuzzing import answered, fuzzed, untouched
from hypothesis import given
from hypothesis import strategies as st
from mutations import damaged, damaged_json
from speechlike import tones

from voiceattack.audio import clips as audio

Hear = Callable[[dict[str, bytes], str], None]
SOURCE = {"type": "file", "channels": [0], "source": "a.wav"}
RECORDING = {"id": "r", "sources": [SOURCE], "sampling_rate": 16000, "num_samples": 9600, "duration": 0.6}
SUPERVISION = {"id": "s", "recording_id": "r", "start": 0.0, "duration": 0.6, "channel": 0, "text": "one"}
CUT = {"id": "c", "start": 0, "duration": 0.6, "channel": 0, "type": "MonoCut", "recording": RECORDING}
CUT["supervisions"] = [SUPERVISION]
JSON_LINES: dict[str, list[dict[str, Any]]] = {
    "m.json": [
        {"audio_filepath": "a.wav", "offset": 0.1, "duration": 0.3, "text": "one"},
        {"audio_filepath": "b.wav", "text": "two"},
    ],
    "metadata.jsonl": [{"file_name": "a.wav", "text": "one", "tags": ["x"]}, {"file_name": "b.wav", "transcript": "two"}],
    "cuts.jsonl": [CUT, {**CUT, "id": "d", "start": 0.1, "duration": 0.2, "supervisions": []}],
    "cuts.jsonl.gz": [CUT],
}
PLAIN = {
    "metadata.csv": b"file_name,text\na.wav,one\nb.wav,two\n",
    "validated.tsv": b'client_id\tpath\tsentence\nx\ta.wav\tone "quoted\ny\tb.wav\ttwo\n',
    "1-2.trans.txt": b"a ONE\nb TWO\n",
    "wav.scp": b"a a.wav\nb b.wav\n",
    "text": b"a one\nb two\n",
    "segments": b"u1 a 0.0 0.3\nu2 b 0.1 -1\n",
}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``a.wav`` and ``b.wav``, and a good clip elsewhere."""
    folder = tmp_path_factory.mktemp("clips")
    for index, name in enumerate(("a", "b", "good")):
        audio.save(folder / f"{name}.wav", tones(index))
    return folder


@pytest.fixture
def heard(tmp_path: Path, clips: Path) -> Hear:
    """Hear a folder of manifests, or one of them, with a good clip after it."""

    def hear(files: dict[str, bytes], given: str) -> None:
        work = tmp_path / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        for name in ("a.wav", "b.wav"):
            shutil.copyfile(clips / name, work / name)
        for name, data in files.items():
            (work / name).write_bytes(data)
        good = clips / "good.wav"
        with untouched(tmp_path, clips):
            told = answered("transcribe", work / given, good, "--victim", "tiny")
        assert told.code == 0 and f"{good}\t" in told.out, told
        assert all(line.startswith("voiceattack: ") for line in told.err.splitlines()), told

    return hear


@fuzzed
@given(data=st.data(), name=st.sampled_from(sorted(JSON_LINES)))
def test_edited_lines(heard: Hear, data: st.DataObject, name: str) -> None:
    lines = [data.draw(damaged_json(line)) for line in JSON_LINES[name]]
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    heard({name: gzip.compress(text) if name.endswith(".gz") else text}, name)


@fuzzed
@given(data=st.data(), name=st.sampled_from(sorted([*JSON_LINES, *PLAIN])), folder=st.booleans())
def test_damaged_bytes(heard: Hear, data: st.DataObject, name: str, folder: bool) -> None:
    plain = {other: "".join(json.dumps(line) + "\n" for line in lines).encode() for other, lines in JSON_LINES.items()} | PLAIN
    plain["cuts.jsonl.gz"] = gzip.compress(plain["cuts.jsonl.gz"], mtime=0)
    kaldi = ("wav.scp", "text", "segments")
    beside = {other: plain[other] for other in kaldi} if name in kaldi else {}
    given_name = "" if folder else "wav.scp" if beside else name
    heard({**beside, name: data.draw(damaged(plain[name]))}, given_name)


@pytest.fixture(scope="module")
def parquet(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Two clips as datasets keeps them."""
    arrow = pytest.importorskip("pyarrow", reason="needs the extra export")
    import pyarrow.parquet

    rows = [{"audio": {"bytes": (clips / f"{n}.wav").read_bytes(), "path": f"{n}.wav"}, "text": n} for n in ("a", "b")]
    path = tmp_path_factory.mktemp("parquet") / "x.parquet"
    pyarrow.parquet.write_table(arrow.Table.from_pylist(rows), path)
    return path.read_bytes()


@fuzzed
@given(data=st.data())
def test_damaged_parquet(parquet: bytes, heard: Hear, data: st.DataObject) -> None:
    heard({"x.parquet": data.draw(damaged(parquet))}, "x.parquet")


@fuzzed
@given(start=st.floats(), length=st.floats(), name=st.sampled_from(["long.wav", "long.flac"]))
def test_any_times(tmp_path: Path, start: float, length: float, name: str) -> None:
    path = tmp_path / name
    if not path.exists():
        audio.save(path, torch.cat([tones(0), tones(1)]))
        audio.save(tmp_path / "good.wav", tones(2))
    (tmp_path / "m.json").write_text(json.dumps({"audio_filepath": name, "offset": start, "duration": length}))
    told = answered("transcribe", tmp_path / "m.json", tmp_path / "good.wav", "--victim", "tiny")
    assert told.code == 0, told
