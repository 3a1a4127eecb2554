"""Crafting: what decides an example's bytes, controls, failures, resume after kill -9, replay, estimate."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from speechlike import command, environment, in_process, tones, write_clips

from voiceattack.audio import clips as audio
from voiceattack.craft import AttackRequest, craft
from voiceattack.craft.estimate import estimate
from voiceattack.craft.replay import replay
from voiceattack.errors import AttackError, CorpusError, RunError, SpecError, TargetError, VoiceAttackError
from voiceattack.metrics.signal import snr_db
from voiceattack.runs import Example, Run
from voiceattack.victims import Transcript, Victim, load_victim
from voiceattack.victims.ctc.victim import CTCVictim


@pytest.fixture(scope="module")
def victim() -> Victim:
    return load_victim("tiny", device="cpu")


def request_for(inputs: list[str], **changes: Any) -> AttackRequest:
    fields: dict[str, Any] = {"victim": "tiny", "params": {"steps": 6, "check_every": 2}, "budget": {"snr_db": 25}}
    return AttackRequest(inputs=tuple(inputs), **{**fields, **changes})


def contents(run: Run) -> dict[str, bytes]:
    """Every audio file of a run."""
    return {str(path.relative_to(run.path)): path.read_bytes() for path in sorted(run.path.rglob("*.flac"))}


def lines(run: Run) -> list[dict[str, Any]]:
    """All that must be equal of two runs' examples: everything but time spent."""
    return [example.model_dump(exclude={"seconds"}) for example in run.examples()]


def by_id(run: Run) -> dict[str, Example]:
    return {example.id: example for example in run.examples()}


def test_other_inputs_change_no_example(tmp_path: Path, victim: Victim) -> None:
    paths = write_clips(tmp_path / "in", 3)
    one = craft(request_for(paths[:1]), tmp_path / "one", victim=victim)
    all_, reversed_ = (
        craft(request_for(order), tmp_path / str(n), victim=victim) for n, order in enumerate((paths, paths[::-1]))
    )
    assert len(all_.examples()) == 6
    assert contents(all_) == contents(reversed_)
    assert contents(one).items() <= contents(all_).items()
    key = dict(sorted((line["id"], line) for line in lines(all_)))
    assert key == dict(sorted((line["id"], line) for line in lines(reversed_)))
    assert [line for line in lines(one) if line != key[line["id"]]] == []


def test_artefact_is_within_budget_tagged_and_changed(tmp_path: Path, victim: Victim) -> None:
    run = craft(request_for(write_clips(tmp_path / "in", 1), attack="noise", params={}), tmp_path / "run", victim=victim)
    (example,) = run.examples()
    saved, clean = audio.load(run.path / str(example.audio)), audio.load(run.path / str(example.clean_audio))
    assert torch.equal(clean, tones(0))
    assert 25 <= float(snr_db(clean, saved)) < 25.1
    assert audio.file_sha256(run.path / str(example.audio)) == example.sha256
    comment = audio.read_comment(run.path / str(example.audio))
    assert comment is not None and run.id in comment and example.source_sha256 in comment
    assert example.control_for is None and example.recipe["seed"] == example.seed


def test_control_has_the_artefacts_snr(tmp_path: Path, victim: Victim) -> None:
    run = craft(request_for(write_clips(tmp_path / "in", 1)), tmp_path / "run", victim=victim)
    attacked, control = run.examples()
    assert (control.attack, control.control_for, control.id) == ("noise", attacked.id, f"{attacked.id}.noise")
    assert control.clean_audio == attacked.clean_audio and control.clean_hypothesis == attacked.clean_hypothesis
    clean = audio.load(run.path / str(attacked.clean_audio))
    snrs = [float(snr_db(clean, audio.load(run.path / str(example.audio)))) for example in (attacked, control)]
    assert 0 <= snrs[1] - snrs[0] < 0.01
    without = craft(request_for(write_clips(tmp_path / "in", 1), control=False), tmp_path / "without", victim=victim)
    assert [example.id for example in without.examples()] == [attacked.id]
    assert contents(without).items() <= contents(run).items()
    # Asked for later, the control alone is added.
    added = craft(request_for(write_clips(tmp_path / "in", 1)), tmp_path / "without", victim=victim)
    assert contents(added) == contents(run) and lines(added) == lines(run)


def test_a_bad_item_costs_itself_alone(tmp_path: Path, victim: Victim) -> None:
    good = write_clips(tmp_path / "in", 1)
    audio.save(tmp_path / "in" / "silence.wav", torch.zeros(8000))
    (tmp_path / "in" / "text.wav").write_text("no audio at all")
    said: list[str] = []
    run = craft(
        request_for([str(tmp_path / "in"), str(tmp_path / "gone.wav")]), tmp_path / "run", victim=victim, on_error=said.append
    )
    examples = run.examples()
    assert {example.source for example in examples if example.error is None} == set(good)
    failed = {Path(example.source).name: str(example.error) for example in examples if example.error}
    assert set(failed) == {"silence.wav", "text.wav", "gone.wav"}
    assert "silence" in failed["silence.wav"] and "not audio" in failed["text.wav"] and "no such file" in failed["gone.wav"]
    assert len(said) == 3 and all("\n" not in line for line in said)
    size = (run.path / "examples.jsonl").stat().st_size
    craft(request_for([str(tmp_path / "in"), str(tmp_path / "gone.wav")]), run.path, victim=victim, on_error=said.append)
    assert len(said) == 6 and (run.path / "examples.jsonl").stat().st_size == size


class Moody(Victim):
    """Hears through another victim, and raises on the clips it is told to."""

    capabilities = frozenset({"hears"})
    spec = "moody"

    def __init__(self, inner: Victim, hated: torch.Tensor) -> None:
        self.inner, self.hated = inner, hated

    def transcribe(self, batch: audio.Batch) -> list[Transcript]:
        for clip in batch.clips():
            if torch.equal(clip, self.hated):
                raise ZeroDivisionError("not this one\nplease")
        return self.inner.transcribe(batch)


def test_a_victim_that_raises_costs_one_item_and_is_asked_again(tmp_path: Path, victim: Victim) -> None:
    paths = write_clips(tmp_path / "in", 3)
    asked = request_for(paths, attack="noise", params={}, victim="moody", batch_size=2)
    run = craft(asked, tmp_path / "run", victim=Moody(victim, tones(1)))
    errors = {Path(example.source).stem: example.error for example in run.examples()}
    assert errors == {"clip0": None, "clip1": "ZeroDivisionError: not this one (--debug shows where)", "clip2": None}
    mended = craft(asked, tmp_path / "run", victim=Moody(victim, tones(99)))
    fresh = craft(asked, tmp_path / "fresh", victim=Moody(victim, tones(99)))
    assert all(example.error is None for example in mended.examples())
    assert contents(mended) == contents(fresh)


def test_nothing_is_written_when_nothing_can_run(tmp_path: Path, victim: Victim) -> None:
    paths = write_clips(tmp_path / "in", 1)
    cases: list[tuple[AttackRequest, type[VoiceAttackError]]] = [
        (request_for([str(tmp_path / "gone")]), CorpusError),
        (request_for(paths, attack="pdg"), SpecError),
        (request_for(paths, params={"stepz": 3}), SpecError),
        (request_for(paths, budget={}), AttackError),
        (request_for(paths, budget={"snr_db": 500}), SpecError),
        (request_for(paths, objective="targeted", target="?!"), SpecError),
        (request_for(paths, objective="targeted", target="дверь"), TargetError),
    ]
    for asked, error in cases:
        with pytest.raises(error) as caught:
            craft(asked, tmp_path / "run", victim=victim)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "run").exists()


def test_another_request_is_refused(tmp_path: Path, victim: Victim) -> None:
    paths = write_clips(tmp_path / "in", 1)
    craft(request_for(paths), tmp_path / "run", victim=victim)
    with pytest.raises(RunError, match=r"budget\.snr_db"):
        craft(request_for(paths, budget={"snr_db": 30}), tmp_path / "run", victim=victim)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_resume_from_every_place(tmp_path: Path, victim: Victim, batch_size: int) -> None:
    asked = request_for(write_clips(tmp_path / "in", 3), batch_size=batch_size)
    whole = craft(asked, tmp_path / "whole", victim=victim)
    text = (whole.path / "examples.jsonl").read_bytes()
    ends = [index + 1 for index, byte in enumerate(text) if byte == 10]
    for cut in [0, *ends[:-1], ends[2] + 40]:
        run = craft(asked, tmp_path / f"cut{cut}", victim=victim)
        (run.path / "examples.jsonl").write_bytes(text[:cut])
        resumed = craft(asked, run.path, victim=victim)
        assert lines(resumed) == lines(whole), cut
        assert contents(resumed) == contents(whole), cut


SLOW = """
import time
from voiceattack.victims import load_victim
from voiceattack.victims.ctc.victim import CTCVictim

def factory():
    victim = load_victim("tiny", device="cpu")
    attack_loss = victim.attack_loss
    def slow(*arguments):
        time.sleep(0.05)
        return attack_loss(*arguments)
    victim.attack_loss = slow
    return victim
"""


def test_killed_in_the_middle_it_resumes_with_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_victim.py").write_text(SLOW)
    paths = write_clips(tmp_path / "in", 3)
    options = [
        "--victim",
        "python:slow_victim:factory",
        "--steps",
        "8",
        "--param",
        "check_every=2",
        "--param",
        "stop_at=9",
        "--no-evaluate",
    ]
    going = command("attack", *paths, *options, "--snr-db", "25", "--out")
    settings: dict[str, Any] = {"env": environment(tmp_path), "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    process = subprocess.Popen([*going, str(tmp_path / "killed")], **settings)
    lines_file = tmp_path / "killed" / "examples.jsonl"
    deadline = time.monotonic() + 60
    while not (lines_file.exists() and lines_file.read_bytes().count(b"\n") >= 3):
        assert process.poll() is None and time.monotonic() < deadline, process.stderr and process.stderr.read()
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert len(Run.open(tmp_path / "killed").examples()) < 6
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("killed", "whole"):
        done = in_process("attack", *paths, *options, "--snr-db", "25", "--out", tmp_path / name)
        assert done.returncode == 0, done.stderr
    killed, whole = Run.open(tmp_path / "killed"), Run.open(tmp_path / "whole")
    assert len(whole.examples()) == 6 and lines(killed) == lines(whole) and contents(killed) == contents(whole)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_replay(tmp_path: Path, victim: Victim, batch_size: int) -> None:
    run = craft(request_for(write_clips(tmp_path / "in", 2), batch_size=batch_size), tmp_path / "run", victim=victim)
    before = contents(run)
    for example in run.examples():
        result = replay(run, example.id, victim)
        assert result.same and result.got == example.sha256 and not result.differing_versions
    assert contents(run) == before
    with pytest.raises(RunError, match="no example 'nobody'"):
        replay(run, "nobody", victim)


def test_replay_tells_a_difference(tmp_path: Path, victim: Victim) -> None:
    run = craft(request_for(write_clips(tmp_path / "in", 1), control=False), tmp_path / "run", victim=victim)
    (example,) = run.examples()
    example.recipe["params"]["steps"] = 3
    example.recipe["versions"]["torch"] = "0.1"
    (run.path / "examples.jsonl").write_text(json.dumps(example.model_dump()) + "\n")
    result = replay(run, example.id, victim)
    assert not result.same and result.differing_versions["torch"] == ("0.1", torch.__version__.partition("+")[0])
    audio.save(run.path / str(example.clean_audio), tones(7))
    with pytest.raises(RunError, match="has changed"):
        replay(run, example.id, victim)


def test_keep_format_carries_back_to_the_files_own_rate_and_channels(tmp_path: Path, victim: Victim) -> None:
    (tmp_path / "in").mkdir()
    source = tmp_path / "in" / "phone.wav"
    audio.save(source, torch.stack([tones(0)[::2], 0.5 * tones(1)[::2]]), 8000)
    asked = request_for([str(source)], keep_format=True)
    run = craft(asked, tmp_path / "run", victim=victim)
    (path,) = (run.path / "original").iterdir()
    header = audio.info(path)
    assert (header.sample_rate, header.channels, header.frames) == (8000, 2, audio.info(source).frames)
    assert "adversarial" in str(audio.read_comment(path))
    change = audio.load(path) - audio.load(source)
    assert 0 < float(change.abs().max()) < 0.1
    first = by_id(run)[path.stem]
    assert any("8000" in warning for warning in first.warnings) and any("channels" in warning for warning in first.warnings)
    path.unlink()
    craft(asked, run.path, victim=victim)
    assert path.exists()


def test_estimate_counts_and_writes_nothing(tmp_path: Path, victim: Victim) -> None:
    paths = write_clips(tmp_path / "in", 3)
    (tmp_path / "in" / "text.wav").write_text("no audio at all")
    before = sorted(tmp_path.rglob("*"))
    result = estimate(request_for([str(tmp_path / "in")]), victim=victim)
    assert (result.examples, result.controls, result.steps, result.queries) == (3, 3, 18, 3 * 5)
    assert len(result.unusable) == 1 and "text.wav" in result.unusable[0]
    assert result.audio_seconds == pytest.approx(1.8, abs=0.01)
    assert result.step_seconds > 0 and result.seconds >= result.steps * result.step_seconds
    assert sorted(tmp_path.rglob("*")) == before
    assert estimate(request_for(paths, attack="noise", params={}), victim=victim).steps == 0


def test_progress_reaches_its_end(tmp_path: Path, victim: Victim) -> None:
    told: list[tuple[int, int, str]] = []
    asked = request_for(write_clips(tmp_path / "in", 3), batch_size=2)
    assert isinstance(victim, CTCVictim)
    craft(asked, tmp_path / "run", victim=victim, on_progress=lambda *step: told.append(step))
    done = [step for step, _, _ in told]
    assert done == sorted(done) and told[-1][:2] == (18, 18)
    assert told[0][2].startswith("clip 1 of 3: ") and " and 1 more" in told[0][2] and "fooled" not in told[0][2]
    ends = [[label for _, _, label in told if " and 1 more" in label][-1], told[-1][2]]
    assert [label.partition(":")[0] for label in ends] == ["clip 2 of 3", "clip 3 of 3"]
    ended = re.search(r", fooled (\d) of 3(, best \d+\.\d dB SNR)?$", told[-1][2])
    fooled = [example.trace[-1]["success"] for example in Run.open(tmp_path / "run").examples() if example.control_for is None]
    assert ended is not None and int(ended[1]) == sum(fooled) and bool(ended[2]) == any(fooled)
