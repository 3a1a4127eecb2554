"""Whole corpora as they are published or exported: Parquet, Common Voice, LibriSpeech; columns, byte order marks, links."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from speechlike import in_process, tones, write_clips

from voiceattack.audio import clips as audio
from voiceattack.cli import main
from voiceattack.corpus import BadItem, Utterance, clip_at, read_corpus
from voiceattack.metrics.terms import read_terms
from voiceattack.suite.init import find_inputs
from voiceattack.text.corpus import read_texts

BOM = "\ufeff"


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """``a`` to ``c`` as WAV."""
    for index, name in enumerate("abc"):
        audio.save(tmp_path / f"{name}.wav", tones(index))
    return tmp_path


def texts(*inputs: Path) -> list[tuple[str, str | None]]:
    items = list(read_corpus(inputs))
    assert all(isinstance(item, Utterance) for item in items), items
    return [(item.name, item.text) for item in items if isinstance(item, Utterance)]


# Columns and byte order marks


@pytest.mark.parametrize("column", ["text", "transcription", "sentence", "transcript", "raw_transcription", "normalized_text"])
def test_the_columns_that_hold_words(clips: Path, column: str, capsys: pytest.CaptureFixture[str]) -> None:
    (clips / "metadata.csv").write_text(f"{BOM}file_name,{column}\na.wav,one\n", encoding="utf-8")
    (clips / "m.json").write_text(BOM + json.dumps({"audio_filepath": "b.wav", column: "two"}), encoding="utf-8")
    assert texts(clips / "metadata.csv", clips / "m.json") == [("a", "one"), ("b", "two")]
    assert not capsys.readouterr().err


def test_a_column_that_may_hold_words_is_named_once_and_not_taken(clips: Path) -> None:
    (clips / "metadata.csv").write_text("file_name,prompt_text,Script,age\na.wav,one,x,3\nb.wav,two,y,4\n")
    done = in_process("transcribe", clips / "metadata.csv", "--victim", "tiny")
    (line,) = done.stderr.splitlines()
    assert line.startswith("voiceattack: ") and "'prompt_text' or 'Script'" in line and "call it text" in line, done.stderr
    assert done.returncode == 0


def test_a_byte_order_mark_is_no_part_of_any_text_that_people_write(clips: Path) -> None:
    (clips / "wav.scp").write_text(f"{BOM}utt1 a.wav\n", encoding="utf-8")
    (clips / "text").write_text(f"{BOM}utt1 one\n", encoding="utf-8")
    assert texts(clips / "wav.scp") == [("utt1", "one")]
    (clips / "list.txt").write_text(f"{BOM}turn it on\n", encoding="utf-8")
    (clips / "list.jsonl").write_text(BOM + json.dumps({"text": "turn it off"}), encoding="utf-8")
    assert [item.text for item in read_texts([str(clips / "list.txt"), str(clips / "list.jsonl")])] == [
        "turn it on",
        "turn it off",
    ]
    (clips / "terms.txt").write_text(f"{BOM}seven\nkitchen # a room\n", encoding="utf-8")
    assert read_terms(str(clips / "terms.txt")) == ["seven", "kitchen"]
    (clips / "1.trans.txt").write_text(f"{BOM}a ONE\n", encoding="utf-8")
    (clips / "x.tsv").write_text(f"{BOM}path\tsentence\na.wav\tone\n", encoding="utf-8")
    assert texts(clips / "1.trans.txt") == [("a", "ONE")] and texts(clips / "x.tsv") == [("a", "one")]


def test_texts_of_victims_may_begin_with_a_mark_too(tmp_path: Path) -> None:
    pytest.importorskip("hassil", reason="needs the extra assistant")
    from voiceattack.victims.assistants.home import Home, default_home
    from voiceattack.victims.assistants.intents import load

    home = tmp_path / "home.yaml"
    home.write_text(BOM + default_home().read_text(encoding="utf-8"), encoding="utf-8")
    assert Home.read(home) == Home.read(default_home())
    folder = tmp_path / "sentences"
    folder.mkdir()
    own = "language: en\nintents:\n  Sing:\n    data:\n      - sentences: [sing a song]\n"
    (folder / "own.yaml").write_text(BOM + own, encoding="utf-8")
    assert load(str(folder), {}, torch.device("cpu")).interpret("sing a song").name == "Sing"


# Bad lines


def test_one_bad_line_costs_itself_in_every_kind(clips: Path) -> None:
    """What used to end the command: the good lines before and after it still come."""
    long = "é" * 200 + ".wav"
    made = {
        "m.json": '{"audio_filepath": "a.wav"}\n' + json.dumps({"audio_filepath": long}) + '\n{"audio_filepath": "b.wav"}\n',
        "metadata.csv": f"file_name,text\na.wav,x\n{long},y\nb.wav,z\n",
        "metadata.jsonl": '{"file_name": "a.wav"}\n' + json.dumps({"file_name": long}) + '\n{"file_name": "b.wav"}\n',
        "wav.scp": f"a a.wav\nx {long}\nb b.wav\n",
        "x.tsv": f"path\tsentence\na.wav\tx\n{long}\ty\nb.wav\tz\n",
        "1.trans.txt": f"a X\n{long} Y\nb Z\n",
    }
    for name, content in made.items():
        (clips / name).write_text(content, encoding="utf-8")
        a, bad, b = read_corpus([clips / name])
        assert isinstance(a, Utterance) and isinstance(b, Utterance) and (a.path.stem, b.path.stem) == ("a", "b"), name
        assert isinstance(bad, BadItem) and f"{clips / name}:" in bad.where and "File name too long" in bad.error, (name, bad)


def test_a_line_that_is_not_utf8_costs_itself_in_every_kind(clips: Path) -> None:
    made = {
        "m.json": b'{"audio_filepath": "a.wav"}\n{"audio_filepath": "\xff"}\n{"audio_filepath": "b.wav"}\n',
        "metadata.csv": b"file_name,text\na.wav,x\nc.wav,\xff\nb.wav,z\n",
        "x.tsv": b"path\tsentence\na.wav\tx\nc.wav\t\xff\nb.wav\tz\n",
        "1.trans.txt": b"a X\nc \xff\nb Z\n",
        "wav.scp": b"a a.wav\nc \xff.wav\nb b.wav\n",
    }
    for name, content in made.items():
        (clips / name).write_bytes(content)
        a, bad, b = read_corpus([clips / name])
        assert isinstance(a, Utterance) and isinstance(b, Utterance), name
        assert isinstance(bad, BadItem) and "not UTF-8" in bad.error, (name, bad)
    (clips / "wav.scp").write_text("a a.wav\nc c.wav\n")
    (clips / "text").write_bytes(b"a one\nc \xff\n")
    good, bad = read_corpus([clips / "wav.scp"])
    assert isinstance(good, Utterance) and isinstance(bad, BadItem) and "its words cannot be read" in bad.error


@pytest.mark.parametrize("damage", ["head", "middle", "cut", "plain"])
def test_broken_gzip_is_named_where_it_breaks(clips: Path, damage: str) -> None:
    import gzip
    import random

    source = {"type": "file", "channels": [0], "source": "a.wav"}
    noise = "".join(random.Random(0).choices("abcdefgh", k=200_000))  # so that deflate has something to break
    cut = {"id": "c", "start": 0.0, "duration": 0.6, "recording": {"sources": [source]}}
    whole = gzip.compress((json.dumps(cut) + "\n" + json.dumps({**cut, "noise": noise}) + "\n").encode(), mtime=0)
    middle = len(whole) // 2
    data = {
        "head": b"\x1f\x8b" + b"\xff" * 20,
        "middle": whole[:middle] + b"\xff" * 40 + whole[middle + 40 :],
        "cut": whole[:middle],
        "plain": b"this is no gzip\n",
    }[damage]
    (clips / "cuts.jsonl.gz").write_bytes(data)
    *_, bad = read_corpus([clips / "cuts.jsonl.gz"])
    assert isinstance(bad, BadItem) and "packed data is broken" in bad.error, bad


# Folders and links


def test_linked_folders_are_followed_each_once_and_in_no_circle(tmp_path: Path) -> None:
    write_clips(tmp_path / "far", 2)
    root = tmp_path / "root"
    write_clips(root / "near", 1, first=5)
    (root / "data").symlink_to(tmp_path / "far")
    (root / "again").symlink_to(tmp_path / "far")
    (root / "near" / "up").symlink_to(root)
    (root / "gone").symlink_to(tmp_path / "nowhere")
    assert texts(root) == [("clip0", None), ("clip1", None), ("clip5", None)]
    (root / "near" / "clip5.wav").unlink()
    before = os.getcwd()
    os.chdir(root)
    try:
        assert [Path(path).name for path in find_inputs(Path())] == ["again"]
    finally:
        os.chdir(before)


def test_a_folder_deeper_than_the_stack_is_read(tmp_path: Path) -> None:
    folder, before = tmp_path, os.getcwd()
    try:
        for _ in range(1100):
            os.mkdir("d") if folder != tmp_path else None
            os.chdir(folder if folder == tmp_path else "d")
            folder = Path("d")
        audio.save(Path("x.wav"), tones(0))
    finally:
        os.chdir(before)
    try:
        assert [name for name, _ in texts(tmp_path)] == ["x"]
    finally:  # pytest's own clean-up goes down recursively
        (deep := tmp_path.joinpath(*["d"] * 1099)).joinpath("x.wav").unlink()
        os.removedirs(deep)


def test_init_where_nothing_may_be_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/proc/1")
    for arguments in (["init", "/proc/1"], ["init"]):
        done = in_process(*arguments, "--out", tmp_path / f"{len(arguments)}.yaml")
        assert "unexpected" not in done.stderr and done.returncode in (0, 2), done.stderr


# Parquet


@pytest.fixture
def parquet(clips: Path) -> Path:
    """Four rows in two groups, as datasets keeps them: two sounds, one that is only named, one that is none."""
    arrow = pytest.importorskip("pyarrow", reason="needs the extra export")
    import pyarrow.parquet

    sounds: list[dict[str, Any]] = [{"bytes": (clips / f"{n}.wav").read_bytes(), "path": f"{n}.wav"} for n in "ab"]
    sounds += [{"bytes": None, "path": "../c.wav"}, {"bytes": b"no audio", "path": None}]
    rows = [{"audio": sound, "sentence": f"text {index}", "age": index, "tags": ["x"]} for index, sound in enumerate(sounds)]
    folder = clips / "set"
    folder.mkdir()
    path = folder / "train-00000.parquet"
    pyarrow.parquet.write_table(arrow.Table.from_pylist(rows), path, row_group_size=2)
    return path


def test_parquet_with_sounds_inside(parquet: Path, clips: Path, tmp_path: Path) -> None:
    items = [item for item in read_corpus([parquet.parent]) if isinstance(item, Utterance)]
    assert [(item.name, item.text, item.extra["age"]) for item in items[:3]] == [
        ("a", "text 0", 0),
        ("b", "text 1", 1),
        ("c", "text 2", 2),
    ]
    assert [torch.equal(item.load()[0], tones(index)) for index, item in enumerate(items[:2])] == [True, True]
    assert items[0].digests() == (audio.file_sha256(clips / "a.wav"),) * 2, "as the file itself"
    assert clip_at(items[1].place).packed == items[1].packed
    done = in_process("transcribe", parquet, clips / "a.wav", "--victim", "tiny")
    heard = [line.split("\t") for line in done.stdout.splitlines()]
    assert [line[0] for line in heard] == [items[0].place, items[1].place, str(clips / "a.wav")] and heard[0][1] == heard[2][1]
    named, none, rates = done.stderr.splitlines()
    assert "holds no sound, only the path '../c.wav'" in named and "not audio" in none and "/tmp/voiceattack-" not in none
    assert "WER" in rates


def test_a_run_of_parquet_keeps_the_format_inside_and_replays(parquet: Path, tmp_path: Path) -> None:
    quick = ("--victim", "tiny", "--steps", "2", "--param", "check_every=2", "--snr-db", "20", "--no-report", "--keep-format")
    done = in_process("attack", parquet, *quick, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "run" / "examples.jsonl").read_text().splitlines()]
    made = [line for line in lines if line["control_for"] is None and not line["error"]]
    assert [line["source"] for line in made] == [f"{parquet}#group=0&row={row}" for row in (0, 1)]
    assert len(list((tmp_path / "run" / "original").iterdir())) == 2
    assert in_process("replay", tmp_path / "run", made[0]["id"]).returncode == 0
    exported = in_process("export", tmp_path / "run", "--format", "parquet", "--out", tmp_path / "set2")
    assert exported.returncode == 0, exported.stderr
    again = [item for item in read_corpus([tmp_path / "set2"]) if isinstance(item, Utterance)]
    assert sorted(item.name for item in again) == sorted(line["id"] for line in made)
    assert {item.digests()[0] for item in again} == {line["sha256"] for line in made}


@pytest.mark.parametrize("kind", ["no sounds", "no parquet", "empty"])
def test_a_parquet_that_holds_no_sounds_says_so(tmp_path: Path, kind: str) -> None:
    arrow = pytest.importorskip("pyarrow", reason="needs the extra export")
    import pyarrow.parquet

    path = tmp_path / "x.parquet"
    if kind == "no sounds":
        pyarrow.parquet.write_table(arrow.Table.from_pylist([{"text": "one", "audio": "a.wav"}]), path)
    else:
        path.write_bytes(b"PAR1 and no more" if kind == "no parquet" else b"")
    (bad,) = read_corpus([path])
    assert isinstance(bad, BadItem) and ("no column of sounds" if kind == "no sounds" else "no Parquet") in bad.error
    assert main(["transcribe", str(path), "--victim", "tiny"]) == 2


# Common Voice and LibriSpeech


def test_common_voice(clips: Path) -> None:
    (clips / "clips").mkdir()
    for name in "abc":
        os.rename(clips / f"{name}.wav", clips / "clips" / f"{name}.wav")
    (clips / "train.tsv").write_text('client_id\tpath\tsentence\tage\nx\ta.wav\tHe said "no.\t20s\nx\tgone.wav\ty\t\n')
    (clips / "validated.tsv").write_text('client_id\tpath\tsentence\nx\ta.wav\tHe said "no.\nx\tb.wav\ttwo\n')
    (clips / "invalidated.tsv").write_text("client_id\tpath\tsentence\nx\tc.wav\twrong\n")
    items = list(read_corpus([clips]))
    assert [(i.name, i.text) for i in items if isinstance(i, Utterance)] == [("a", 'He said "no.'), ("b", "two"), ("c", None)]
    (bad,) = [i for i in items if isinstance(i, BadItem)]
    assert bad.where == f"{clips / 'train.tsv'}:3" and "gone.wav" in bad.error
    (clips / "other.tsv").write_text("file\twords\nx\ty\nz\tw\n")
    (bad,) = read_corpus([clips / "other.tsv"])
    assert isinstance(bad, BadItem) and "no column 'path' (found: file, words)" in bad.error


def test_librispeech(clips: Path) -> None:
    chapter = clips / "84" / "121"
    chapter.mkdir(parents=True)
    audio.save(chapter / "84-121-0.flac", tones(0))
    audio.save(chapter / "84-121-1.wav", tones(1))
    (chapter / "84-121.trans.txt").write_text("84-121-0 GO DO YOU HEAR\n84-121-1 YES\n84-121-2 NO\n../../a X\n")
    items = list(read_corpus([clips / "84"]))
    assert [(i.name, i.text) for i in items if isinstance(i, Utterance)] == [("84-121-0", "GO DO YOU HEAR"), ("84-121-1", "YES")]
    gone, outside = [i.error for i in items if isinstance(i, BadItem)]
    assert "no such audio file: '84-121-2.flac'" in gone and "leaves the manifest's folder" in outside


# Figures without references


def test_without_references_no_clean_wer_is_printed(tmp_path: Path) -> None:
    quick = ("--victim", "tiny", "--steps", "2", "--param", "check_every=2", "--snr-db", "20")
    done = in_process("attack", *write_clips(tmp_path / "in", 2), *quick, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    rows = [json.loads(line) for line in (tmp_path / "run" / "results.jsonl").read_text().splitlines()]
    assert {group["wer_clean"] for group in summary["groups"]} == {None} == {row["wer_clean"] for row in rows}
    assert all("no reference text" in row["nulls"]["wer_clean"] for row in rows)
    (line,) = [line for line in done.stdout.splitlines() if "pgd" in line and "untargeted" in line]
    head = next(line for line in done.stdout.splitlines() if "clean WER" in line or "WER clean" in line)
    place = head.index("clean WER" if "clean WER" in head else "WER clean")
    assert line[place : place + 9].strip() == "-", (head, line)
