"""``voiceattack transcribe``: error rates where texts are there, actions of assistants, on a terminal and in files."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest
from speechlike import command, environment, in_process, write_clips

EAR = "def make():\n    return lambda waveform, rate: 'turn on the kitchen lamp'\n"
TEXTS = ("Turn on the kitchen lamp.", "turn off the lamp")


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "lamp_ear.py").write_text(EAR)
    monkeypatch.syspath_prepend(str(tmp_path))
    clips = write_clips(tmp_path / "in", 2)
    path = tmp_path / "manifest.jsonl"
    path.write_text(
        "".join(json.dumps({"audio_filepath": clip, "text": text}) + "\n" for clip, text in zip(clips, TEXTS, strict=True))
    )
    return path


def on_terminal(folder: Path, *arguments: str | Path) -> str:
    """What a terminal of 120 columns shows of a command's stdout; ``folder`` holds modules."""
    terminal, end = pty.openpty()
    surroundings = {**environment(folder), "TERM": "xterm", "COLUMNS": "120", "NO_COLOR": "1"}
    with subprocess.Popen(command(*arguments), stdout=end, stderr=subprocess.DEVNULL, env=surroundings) as process:
        os.close(end)
        shown = b""
        try:
            while read := os.read(terminal, 4096):
                shown += read
        except OSError:  # its other end is closed
            pass
        os.close(terminal)
    assert process.returncode == 0, shown
    return re.sub(r"\x1b\[[\d;]*m", "", shown.decode())


def test_in_a_pipe_lines_stay_lines_and_rates_go_to_stderr(manifest: Path, tmp_path: Path) -> None:
    done = in_process("transcribe", manifest, "--victim", "python:lamp_ear:make")
    assert [line.split("\t")[1:] for line in done.stdout.splitlines()] == [["turn on the kitchen lamp"]] * 2
    # Of 9 words one is another, one too many; of 41 characters 9 are others or too many.
    assert "voiceattack: WER 0.222, CER 0.220 over 2 clips with a text\n" in done.stderr
    quiet = in_process("transcribe", manifest, "--victim", "python:lamp_ear:make", "--quiet")
    assert quiet.stdout == "" and "WER" not in quiet.stderr
    assert "WER" not in in_process("transcribe", tmp_path / "in", "--victim", "python:lamp_ear:make").stderr


def test_a_reader_that_leaves_does_not_take_the_file_along(manifest: Path, tmp_path: Path) -> None:
    words = [*command("transcribe", manifest, "--victim", "python:lamp_ear:make", "--output"), str(tmp_path / "heard.json")]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, env=environment(tmp_path), check=False)
    os.close(writer)
    assert done.returncode == 0, done.stderr
    assert [row["text"] for row in json.loads((tmp_path / "heard.json").read_text())] == ["turn on the kitchen lamp"] * 2


@pytest.mark.parametrize("suffix", ["json", "jsonl", "csv", "tsv"])
def test_files_hold_the_rates(manifest: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"heard.{suffix}"
    assert in_process("transcribe", manifest, "--victim", "python:lamp_ear:make", "-o", out).returncode == 0
    text = out.read_text()
    rows = (
        json.loads(text)
        if suffix == "json"
        else [json.loads(line) for line in text.splitlines()]
        if suffix == "jsonl"
        else list(csv.DictReader(text.splitlines(), delimiter="," if suffix == "csv" else "\t"))
    )
    assert [row["reference"] for row in rows] == list(TEXTS) and [float(row["wer"]) for row in rows] == [0, 0.5]
    assert [round(float(row["cer"]), 3) for row in rows] == [0, 0.529] and not rows[0]["action"]


def test_a_terminal_shows_a_table(manifest: Path) -> None:
    told = on_terminal(manifest.parent, "transcribe", manifest, "--victim", "python:lamp_ear:make")
    lines = [line.split() for line in told.splitlines()]
    assert ["file", "said", "heard", "WER", "CER"] in lines and "\t" not in told
    assert any(line[-2:] == ["0.50", "0.53"] for line in lines) and "WER 0.222, CER 0.220 over 2 clips with a text" in told
    folder = on_terminal(manifest.parent, "transcribe", manifest.parent / "in", "--victim", "tiny")
    assert "heard" not in folder and "WER" not in folder


def test_an_assistant_s_action_stands_beside_the_text(manifest: Path, tmp_path: Path) -> None:
    pytest.importorskip("hassil", reason="needs the extra assistant")
    out = tmp_path / "heard.json"
    spec = "assistant:home?asr=python:lamp_ear:make"
    told = on_terminal(manifest.parent, "transcribe", manifest, "--victim", spec, "-o", out)
    rows = json.loads(out.read_text())
    assert [row["action"] for row in rows] == ["HassTurnOn{name=light.kitchen_lamp}"] * 2
    assert rows[0]["reference_action"] == rows[0]["action"] != rows[1]["reference_action"]
    assert ["file", "said", "heard", "does", "should", "do", "WER", "CER"] in [line.split() for line in told.splitlines()]
    assert "HassTurnOn" in told
