"""Corpora: files, folders, NeMo manifests, audiofolders; every bad line is named, and the rest still comes."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voiceattack.audio import clips as audio
from voiceattack.corpus import READERS, BadItem, Utterance, read_corpus
from voiceattack.errors import CorpusError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def clip(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a short clip at a path below the test's folder."""

    def write(relative: str) -> Path:
        path = tmp_path / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        audio.save(path, torch.zeros(1600))
        return path

    return write


def texts(*inputs: Path) -> list[tuple[str, str | None]]:
    """(name, text) of every item, none of which may be bad."""
    items = list(read_corpus(inputs))
    assert all(isinstance(item, Utterance) for item in items), items
    return [(item.name, item.text) for item in items if isinstance(item, Utterance)]


def only_bad(*inputs: Path) -> BadItem:
    """The one item, which is bad; its reason is one line."""
    (item,) = read_corpus(inputs)
    assert isinstance(item, BadItem)
    assert "\n" not in item.error
    return item


def manifest(path: Path, *lines: dict[str, Any] | str) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines), encoding="utf-8")
    return path


# Files and folders


def test_a_file(clip: Callable[[str], Path]) -> None:
    path = clip("a.flac")
    assert list(read_corpus([str(path)])) == [Utterance(path, None, "a", {})]


def test_a_folder_is_read_recursively_in_order_without_hidden_and_other_files(
    tmp_path: Path, clip: Callable[[str], Path]
) -> None:
    for name in ("b.flac", "a.WAV", "sub/c.flac", "sub/.hidden.flac", ".git/d.flac"):
        clip(name)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "sub" / "loop").symlink_to(tmp_path)
    assert [name for name, _ in texts(tmp_path)] == ["a", "b", "c"]


def test_formats_that_cannot_be_loaded_are_not_silently_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.m4a").write_bytes(b"x")
    assert texts(tmp_path) == [("a", None)]


def test_what_was_crafted_from_the_clips_of_a_folder_is_none_of_them(tmp_path: Path, clip: Callable[[str], Path]) -> None:
    clip("a.wav")
    artefact = clip("suite-run/cells/x/audio/a-pgd.wav")
    (tmp_path / "suite-run" / "suite-run.json").write_text("{}")
    clip("demo/pgd/audio/b-pgd.wav")
    for name in ("run.json", "examples.jsonl"):
        (tmp_path / "demo" / "pgd" / name).write_text("")
    clip("demo/c.wav")
    assert [name for name, _ in texts(tmp_path)] == ["a", "c"]
    assert [name for name, _ in texts(artefact.parent)] == ["a-pgd"], "but who names it gets it"
    assert [name for name, _ in texts(tmp_path / "suite-run")] == ["a-pgd"]


def test_a_folder_without_audio(tmp_path: Path) -> None:
    assert "no audio files" in only_bad(tmp_path).error


def test_no_input_at_all_raises_at_once_and_a_missing_one_among_others_does_not(
    tmp_path: Path, clip: Callable[[str], Path]
) -> None:
    with pytest.raises(CorpusError, match="no input given"):
        read_corpus([])
    with pytest.raises(CorpusError, match=r"no such file or folder: .*x.*y"):
        read_corpus([tmp_path / "x", tmp_path / "y"])
    with pytest.raises(CorpusError):
        read_corpus(["a\0b"])
    missing, good = read_corpus([tmp_path / "x", clip("a.flac")])
    assert missing == BadItem(str(tmp_path / "x"), "no such file or folder; check the path")
    assert isinstance(good, Utterance)


def test_a_file_without_a_reader_lists_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n")
    error = only_bad(tmp_path / "x.csv").error
    assert ".csv" in error
    assert all(entry.summary in error for entry in READERS.entries())


def test_a_name_that_is_not_utf8_is_one_clear_line(tmp_path: Path, clip: Callable[[str], Path]) -> None:
    os.rename(os.fsencode(clip("a.flac")), os.fsencode(tmp_path) + b"/caf\xe9.flac")
    bad = only_bad(tmp_path)
    assert "not UTF-8" in bad.error
    bad.where.encode()


def test_reading_is_lazy(tmp_path: Path, clip: Callable[[str], Path]) -> None:
    items = read_corpus([clip("a.flac"), clip("b.flac")])
    assert isinstance(next(items), Utterance)
    (tmp_path / "b.flac").unlink()
    assert isinstance(next(items), BadItem)


# NeMo


def test_a_nemo_manifest(tmp_path: Path, clip: Callable[[str], Path]) -> None:
    absolute = clip("far/away.flac")
    clip("m/a.flac")
    clip("m/sub/b.flac")
    path = manifest(
        tmp_path / "m" / "train.json",
        {"audio_filepath": "a.flac", "text": "turn on the light", "duration": 0.1, "speaker": 3},
        "",
        {"audio_filepath": "sub/../sub/b.flac"},
        {"audio_filepath": str(absolute), "text": " "},
    )
    assert list(read_corpus([path])) == [
        Utterance(tmp_path / "m" / "a.flac", "turn on the light", "a", {"duration": 0.1, "speaker": 3}),
        Utterance(tmp_path / "m" / "sub/../sub/b.flac", None, "b", {}),
        Utterance(absolute, None, "away", {}),
    ]


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("{broken", "broken JSON (Expecting property name enclosed in double quotes at column 2)"),
        ("[" * 100_000, "broken JSON"),
        ("[1]", "a list; write one JSON object a line"),
        ({"text": "hello"}, "no key 'audio_filepath' (found: text); add it"),
        ({"audio_filepath": 7}, "the audio path is a number"),
        ({"audio_filepath": None}, "the audio path is missing"),
        ({"audio_filepath": ""}, "the audio path is empty"),
        ({"audio_filepath": "a\0b"}, "the audio path"),
        ({"audio_filepath": "a.flac", "text": ["hello"]}, "the text is a list; write what is said as text"),
        ({"audio_filepath": "a.flac", "offset": 1.5, "duration": 1}, "begins at 1.5 s, but the file ends at 0.100 s"),
        ({"audio_filepath": "a.flac", "offset": -1, "duration": 1}, "before the file begins"),
        ({"audio_filepath": "a.flac", "duration": "long"}, "the duration is 'long'; write seconds, as a number"),
        ({"audio_filepath": "a.flac", "duration": True}, "the duration is True"),
        ('{"audio_filepath": "a.flac", "duration": NaN}', "the duration is nan"),
        ({"audio_filepath": "a.flac", "duration": 0}, "the duration is 0 s"),
        ({"audio_filepath": "é" * 200 + ".flac"}, "cannot be followed (File name too long)"),
        ({"audio_filepath": "a.flac/b/" + "c" * 5000}, "cannot be followed"),
        ('{"audio_filepath": "\\ud800.flac"}', "half of a surrogate pair"),
        ({"audio_filepath": "a.flac", "text": "x" * (1 << 24)}, "longer than 16 MiB"),
        ({"audio_filepath": "missing.flac"}, "no such audio file: 'missing.flac'"),
        ({"audio_filepath": "../secret.flac"}, "leaves the manifest's folder"),
        ({"audio_filepath": "sub/../../secret.flac"}, "leaves the manifest's folder"),
        ({"audio_filepath": "..\\secret.flac"}, "leaves the manifest's folder"),
    ],
)
def test_a_bad_line_is_named_and_the_others_still_come(
    tmp_path: Path, clip: Callable[[str], Path], line: dict[str, Any] | str, word: str
) -> None:
    clip("secret.flac")
    clip("m/a.flac")
    path = manifest(tmp_path / "m" / "x.jsonl", "", line, {"audio_filepath": "a.flac", "text": "yes"})
    bad, good = read_corpus([path])
    assert isinstance(bad, BadItem)
    assert bad.where == f"{path}:2"
    assert word in bad.error
    assert "\n" not in bad.error
    assert isinstance(good, Utterance)
    assert good.text == "yes"


def test_a_manifest_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b'{"audio_filepath": "\xff.flac"}\n')
    assert "not UTF-8" in only_bad(tmp_path / "x.jsonl").error


def test_a_byte_order_mark_and_windows_line_ends_are_no_obstacle(tmp_path: Path, clip: Callable[[str], Path]) -> None:
    clip("a.flac")
    (tmp_path / "x.jsonl").write_bytes(b'\xef\xbb\xbf{"audio_filepath": "a.flac", "text": "yes"}\r\n\r\n')
    (tmp_path / "metadata.csv").write_bytes(b"\xef\xbb\xbffile_name,text\r\na.flac,yes\r\n")
    assert texts(tmp_path / "x.jsonl") == texts(tmp_path / "metadata.csv") == [("a", "yes")]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200), name=st.sampled_from(["x.jsonl", "metadata.jsonl", "metadata.csv"]))
def test_any_bytes_are_read_without_a_crash(tmp_path: Path, data: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(data)
    for item in read_corpus([tmp_path / name]):
        assert isinstance(item, BadItem)
        assert "\n" not in item.error


# Audiofolder, and folders with manifests in them


@pytest.mark.parametrize("key", ["text", "transcription", "sentence"])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_an_audiofolder(tmp_path: Path, clip: Callable[[str], Path], key: str, kind: str) -> None:
    clip("data/a.flac")
    clip("data/sub/b.flac")
    rows = [{"file_name": "a.flac", key: 'one, "two"', "age": "3"}, {"file_name": "sub/b.flac", key: "", "age": "4"}]
    path = tmp_path / "data" / f"metadata.{kind}"
    if kind == "csv":
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        manifest(path, *rows)
    expected = [
        Utterance(tmp_path / "data" / "a.flac", 'one, "two"', "a", {"age": "3"}),
        Utterance(tmp_path / "data" / "sub/b.flac", None, "b", {"age": "4"}),
    ]
    assert list(read_corpus([tmp_path / "data"])) == expected
    assert list(read_corpus([path])) == expected


@pytest.mark.parametrize(
    ("content", "where", "word"),
    [
        ("name,text\na.flac,x\n", 2, "no column 'file_name' (found: name, text); add it"),
        ("file_name,text\na.flac,one, two\n", 2, "more values than columns"),
        ("file_name,text\n../a.flac,x\n", 2, "leaves the manifest's folder"),
        ("file_name,text\nmissing.flac,x\n", 2, "no such audio file"),
    ],
)
def test_a_bad_row(tmp_path: Path, content: str, where: int, word: str) -> None:
    path = tmp_path / "metadata.csv"
    path.write_text(content)
    bad = only_bad(path)
    assert bad.where == f"{path}:{where}"
    assert word in bad.error


def test_a_manifest_in_a_folder_gives_the_texts_and_what_it_does_not_list_follows(
    tmp_path: Path, clip: Callable[[str], Path]
) -> None:
    for name in ("a.flac", "b.flac", "sub/c.flac", "sub/d.flac"):
        clip(name)
    manifest(tmp_path / "manifest.jsonl", {"audio_filepath": "b.flac", "text": "bee"})
    manifest(tmp_path / "sub" / "metadata.jsonl", {"file_name": "d.flac", "text": "dee"})
    assert texts(tmp_path) == [("b", "bee"), ("a", None), ("d", "dee"), ("c", None)]


# The same file twice


def test_the_same_file_twice_comes_once(tmp_path: Path, clip: Callable[[str], Path]) -> None:
    path = clip("a.flac")
    listed = manifest(tmp_path / "x.jsonl", *[{"audio_filepath": "a.flac", "text": "yes"}] * 2)
    (tmp_path / "link.flac").symlink_to(path)
    assert texts(listed, path, tmp_path / "link.flac", listed) == [("a", "yes")]


def test_the_same_file_with_another_text_is_a_bad_item(tmp_path: Path, clip: Callable[[str], Path]) -> None:
    clip("a.flac")
    yes, no = (manifest(tmp_path / f"{text}.jsonl", {"audio_filepath": "a.flac", "text": text}) for text in ("yes", "no"))
    _, bad = read_corpus([yes, no])
    assert bad == BadItem(str(tmp_path / "a.flac"), "given twice, with 'yes' and then 'no'; keep one of them")


def test_the_samples() -> None:
    folder = ROOT / "samples"
    if not (folder / "manifest.jsonl").exists():
        pytest.skip("no samples here")
    listed = texts(folder / "manifest.jsonl")
    # Clips that only commands.jsonl lists come without a text.
    assert [pair for pair in texts(folder) if pair[1] is not None] == listed
    assert all(text for _, text in listed)


# Kaldi and Lhotse


def test_kaldi(tmp_path: Path, clip: Callable[[str], Path]) -> None:
    clip("wav/a.wav")
    lines = "utt-a wav/a.wav\nutt-b sox x.wav -t wav - |\nutt-c ../c.wav\nutt-d\nutt-e wav/gone.wav\n"
    (tmp_path / "wav.scp").write_text(lines)
    (tmp_path / "text").write_text("utt-a turn on  the lamp\nutt-b never\n")
    good, *bad = read_corpus([tmp_path / "wav.scp"])
    assert isinstance(good, Utterance) and (good.name, good.text) == ("utt-a", "turn on  the lamp")
    words = ("not run", "leaves the manifest's folder", "empty", "no such audio file")
    assert [item.where for item in bad if isinstance(item, BadItem)] == [f"{tmp_path / 'wav.scp'}:{n}" for n in (2, 3, 4, 5)]
    assert all(word in item.error for word, item in zip(words, bad, strict=True) if isinstance(item, BadItem))
    assert [name for name, _ in [(item.name, 0) for item in read_corpus([tmp_path]) if isinstance(item, Utterance)]] == ["utt-a"]


def test_lhotse_cuts(tmp_path: Path, clip: Callable[[str], Path]) -> None:
    import gzip

    clip("a.wav")
    source = {"type": "file", "channels": [0], "source": "a.wav"}
    cut = {"id": "c", "start": 0.0, "duration": 0.1, "recording": {"duration": 0.1, "sources": [source]}}
    good = {**cut, "supervisions": [{"text": "hello"}, {"text": "there"}]}
    run = {**cut, "recording": {"duration": 0.1, "sources": [{**source, "type": "command"}]}}
    plain = manifest(tmp_path / "cuts.train.jsonl", good, {**cut, "start": 0.05}, run, {"id": "mixed"}, "{")
    with gzip.open(tmp_path / "cuts.gz.jsonl.gz", "wt") as stream:
        stream.write(plain.read_text())
    for path in (plain, tmp_path / "cuts.gz.jsonl.gz"):
        first, *bad = read_corpus([path])
        assert isinstance(first, Utterance) and (first.name, first.text) == ("a", "hello there")
        assert len(bad) == 4 and all(isinstance(item, BadItem) for item in bad)
        assert all(word in str(item) for word, item in zip(("begins at", "'command'", "MonoCut", "roken"), bad, strict=True))
