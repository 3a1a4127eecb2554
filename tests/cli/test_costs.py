"""What one bad item costs: itself, in every command that goes through items; and a disk that refuses ends the run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from speechlike import in_process, tones, write_clips
from torch import Tensor

from voiceattack.audio import clips as audio
from voiceattack.corpus import Utterance
from voiceattack.errors import AttackError, AudioError, DiskError, as_error
from voiceattack.evaluate.wakeword import sweep
from voiceattack.text import speech
from voiceattack.text.prompts.batch import search_all
from voiceattack.text.prompts.records import PromptRecord, judge_prompts
from voiceattack.victims import load_victim

RAISING = '''
"""The toy, which raises what no victim should on a clip that begins with a click."""
import torch
from voiceattack.victims import load_victim

def factory():
    victim = load_victim("tiny", "cpu")
    hear, differentiate = victim.transcribe, victim.forward_backward
    def raises(batch):
        if bool((batch.waveforms[:, 0].abs() > 0.9).any()):
            raise ZeroDivisionError("a click\\nand more of it")
    def transcribe(batch):
        raises(batch)
        return hear(batch)
    victim.transcribe = transcribe
    return victim

def lengths():
    victim = load_victim("tiny", "cpu")
    check = victim.check_length
    def check_length(seconds, what):
        if what == "clip1":
            raise LookupError("no such length")
        check(seconds, what)
    victim.check_length = check_length
    return victim

def voice(rest, options):
    def speak(text):
        if "two" in text:
            raise KeyError(text)
        if "three" in text:
            return torch.full((16_000,), float("nan"))
        return 0.3 * torch.sin(torch.arange(16_000) * (0.1 + 0.02 * len(text)))
    return speak
'''


@pytest.fixture
def clips(tmp_path: Path) -> list[str]:
    """Clips, of which the second begins with a click."""
    paths = write_clips(tmp_path / "in", 4)
    clip = audio.load(paths[1]).clone()
    clip[0] = 0.99
    audio.save(paths[1], clip)
    return paths


@pytest.fixture
def raising(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Spec of a victim that raises on that clip; and the voice ``raising`` is known."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "raising_things.py").write_text(RAISING)
    monkeypatch.syspath_prepend(tmp_path / "own")
    monkeypatch.chdir(tmp_path)
    speech.SPEAKERS.add("raising", "raising_things:voice", "raises at some texts")
    yield "python:raising_things:factory"
    del speech.SPEAKERS._entries["raising"]


def absurd(path: Path) -> Path:
    """One absurd float sample, at a rate that must be changed: resampled, half the clip would be NaN."""
    samples = tones(7).clone()
    samples[4000] = 3e38
    soundfile.write(path, samples.numpy(), 44_100, subtype="FLOAT")
    return path


def examples(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "examples.jsonl").read_text().splitlines()]


# One absurd file


def test_an_absurd_file_costs_itself_and_those_behind_it_are_done(tmp_path: Path) -> None:
    first, last = write_clips(tmp_path / "in", 2)
    middle = absurd(tmp_path / "in" / "clip0b.wav")
    quick = ("--victim", "tiny", "--attack", "noise", "--snr-db", "20", "--no-report", "--keep-format")
    for _ in range(2):  # and again: a resumed run passes it too
        done = in_process("attack", first, middle, last, *quick, "--out", tmp_path / "run")
        assert done.returncode == 0, done.stderr
        (line,) = [line for line in done.stderr.splitlines() if "clip0b" in line]
        assert "3e+38 times full scale" in line and "space" not in line
    assert [(Path(one["source"]).name, one["error"] is None) for one in examples(tmp_path / "run")] == [
        ("clip0.wav", True),
        ("clip0b.wav", False),
        ("clip1.wav", True),
    ]


@pytest.mark.parametrize("command", ["transcribe", "fit", "corruptions", "run"])
def test_an_absurd_file_in_other_commands(tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_clips(tmp_path / "in", 3)
    absurd(tmp_path / "in" / "clip0b.wav")
    (tmp_path / "suite.yaml").write_text(
        "inputs: [in]\nvictims: [tiny]\nattacks: [{attack: noise, budget: {snr_db: 20}}]\n"
        "gates: ['success_rate <= 1']\nmin_clips: 1\n"
    )
    arguments = {
        "transcribe": ("in", "--victim", "tiny"),
        "fit": ("in", "--victim", "tiny", "--steps", "1", "--seconds", "0.2", "--batch-size", "1"),
        "corruptions": ("in", "--victim", "tiny", "--names", "gain", "--severities", "1"),
        "run": ("suite.yaml", "--out", "out"),
    }
    done = in_process(command, *arguments[command])
    told = done.stdout + done.stderr
    assert "3e+38 times full scale" in told and "space" not in told and "unexpected" not in told, told
    assert done.returncode == 0, told


# Whatever a victim or a voice raises


def test_a_raising_clip_costs_itself(clips: list[str], raising: str, tmp_path: Path) -> None:
    done = in_process("transcribe", *clips, "--victim", raising, "-o", tmp_path / "out.json")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "out.json").read_text())
    assert [row["error"] is None for row in rows] == [True, False, True, True]
    assert "ZeroDivisionError: a click (" in rows[1]["error"] and clips[1] in done.stderr
    assert len(done.stdout.splitlines()) == 3


@pytest.mark.parametrize("command", ["fit", "attack", "transcribe"])
def test_a_victim_that_raises_at_a_clips_length(clips: list[str], raising: str, command: str) -> None:
    own = "python:raising_things:lengths"
    quick = {"fit": ("--steps", "1", "--seconds", "0.2"), "attack": ("--attack", "noise", "--no-report"), "transcribe": ()}
    done = in_process(command, *clips, "--victim", own, *quick[command])
    assert done.returncode == 0, done.stderr
    if command != "transcribe":  # which asks by the file's name
        assert "LookupError: no such length" in done.stderr and clips[1] in done.stderr


def test_a_text_that_cannot_be_spoken_or_saved_costs_itself(tmp_path: Path, raising: str) -> None:
    (tmp_path / "texts.txt").write_text("one lamp\ntwo lamps\nthree lamps\nfour lamps\n")
    done = in_process("speak", "texts.txt", "--speaker", "raising", "--out", "spoken")
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 2 and "KeyError" in lines[0] and "two lamps" in lines[0] and "NaN" in lines[1]
    rows = [json.loads(line) for line in (tmp_path / "spoken" / "manifest.jsonl").read_text().splitlines()]
    assert [row["text"] for row in rows] == ["one lamp", "four lamps"]

    done = in_process("confusions", "texts.txt", "--victim", "tiny", "--speaker", "raising", "--speeds", "1", "--snr-db", "clean")
    assert done.returncode == 0, done.stderr
    assert "KeyError" in done.stderr and "confusions.png" in done.stdout
    said = [json.loads(line)["said"] for line in (tmp_path / "confusions" / "hearings.jsonl").read_text().splitlines()]
    assert "one lamp" in said and "two lamps" not in said and "four lamps" in said

    done = in_process(
        "text", "texts.txt", "--perturbation", "disfluencies", "--victim", "tiny", "--speak", "raising", "--max-queries", "3"
    )
    assert done.returncode == 0, done.stderr
    assert "KeyError" in done.stderr and "unexpected" not in done.stderr


@dataclass
class Deaf:
    """A detector that raises at loud clips."""

    spec: str = "deaf"
    threshold: float = 0.5
    frame_seconds: float = 0.02

    def means(self, clip: Tensor) -> list[float]:
        if float(clip.abs().max()) > 0.9:
            raise ArithmeticError("too loud")
        return [0.9]


def test_a_clip_that_a_detector_cannot_hear_is_left_out_of_a_sweep() -> None:
    loud = torch.ones(8000)
    told: list[tuple[str, int, str]] = []
    found = sweep(Deaf(), [tones(0), loud, tones(1)], [loud], snrs_db=[None, 20.0], on_error=lambda *facts: told.append(facts))
    assert [len(streams) for streams in found.said.values()] == [2, 2]
    assert [len(streams) for streams in found.other.values()] == [0, 0]
    assert [(kind, place) for kind, place, _ in told] == [("said", 1), ("other", 0)] and "too loud" in told[0][2]
    with pytest.raises(ArithmeticError):
        sweep(Deaf(), [loud], [])


class RaisingPrompted:
    """Takes prompts, and raises at every clip."""

    spec, language = "raising", "en"

    def transcribe(self, batch: object) -> object:
        raise ZeroDivisionError("always")

    transcribe_prompted = transcribe


def test_prompts_that_cannot_be_searched_or_judged_cost_themselves(tmp_path: Path) -> None:
    (path,) = write_clips(tmp_path, 1)
    told: list[str] = []
    assert search_all(RaisingPrompted(), [Utterance(Path(path), None, "clip0")], on_error=told.append) == []  # type: ignore[arg-type]
    assert len(told) == 1 and path in told[0]
    record = PromptRecord(path, "0" * 64, "lamp", "initial-prompt", "searched", "raising", 20, 24, 3, 0)
    (row,) = judge_prompts([record], [RaisingPrompted()])  # type: ignore[list-item]
    assert row.error is not None and "ZeroDivisionError: always" in row.error


# What was there and is gone


def test_an_artefact_that_is_gone_costs_its_control_and_original_only(tmp_path: Path) -> None:
    paths = write_clips(tmp_path / "in", 2)
    quick = ("--victim", "tiny", "--attack", "fgsm", "--snr-db", "20", "--no-report", "--no-evaluate", "--out", tmp_path / "run")
    assert in_process("attack", *paths, *quick, "--no-control").returncode == 0
    gone, kept = (example["id"] for example in examples(tmp_path / "run"))
    (tmp_path / "run" / "audio" / f"{gone}.flac").unlink()
    done = in_process("attack", *paths, *quick, "--keep-format")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if "clip0" in line]
    assert len(lines) == 2 and "no noise control" in lines[0] and "own format" in lines[1] and "space" not in done.stderr
    assert [example["id"] for example in examples(tmp_path / "run")] == [gone, kept, f"{kept}.noise"]
    assert len(list((tmp_path / "run" / "original").iterdir())) == 1


# Told apart by type


def test_errors_are_told_apart_by_type() -> None:
    assert isinstance(as_error(ValueError("x")), AttackError) and "ValueError: x" in str(as_error(ValueError("x\ny")))
    sound = AudioError("x")
    assert as_error(sound) is sound
    assert "batch-size" in str(as_error(MemoryError()))
    with pytest.raises(DiskError):
        as_error(DiskError("full"))
    assert not issubclass(AudioError, DiskError) and not issubclass(DiskError, AudioError)


def test_a_full_disk_in_the_middle_of_a_clip_ends_the_run_whoever_meets_it(tmp_path: Path) -> None:
    """A victim that keeps its answers on a full disk: the run ends, and no clip is recorded as failed."""
    from voiceattack.craft import craft
    from voiceattack.craft.request import AttackRequest

    paths = write_clips(tmp_path / "in", 2)
    victim = load_victim("tiny", "cpu")

    def transcribe(batch: object) -> object:
        raise DiskError("cache: cannot be written (No space left on device); free some space")

    victim.transcribe = transcribe  # type: ignore[method-assign,assignment]
    request = AttackRequest(inputs=tuple(paths), victim="tiny", attack="noise", budget={"snr_db": 20})
    with pytest.raises(DiskError, match="cache"):
        craft(request, tmp_path / "run", victim=victim)
    assert not (tmp_path / "run" / "examples.jsonl").exists() or examples(tmp_path / "run") == []
