"""Nothing that was paid for is lost: commands killed and resumed, caches that break, texts that failed, SIGTERM."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from killing import SPEAKER, counting, read
from speech_server import Asked, serving
from speechlike import command, environment, in_process, write_clips
from suite_fixture import write_suite

from voiceattack.audio import Batch
from voiceattack.craft import craft
from voiceattack.craft.request import AttackRequest
from voiceattack.errors import RunError
from voiceattack.evaluate import evaluate
from voiceattack.metrics.text import MOST_COMPARED, compared, cut_note, word_errors
from voiceattack.runs import Run
from voiceattack.runs.journal import FILE as JOURNAL
from voiceattack.text.craft import TextRequest, craft_texts
from voiceattack.victims import Transcript, Victim, load_victim
from voiceattack.victims.wrappers.cache import FILE

KILLS = (1, 3, 2)
"""Answers between one kill and the next."""


@pytest.fixture
def crafted(tmp_path: Path) -> Path:
    """A run of four clips and their controls."""
    clips = write_clips(tmp_path / "in", 4)
    attack = ("--victim", "tiny", "--attack", "pgd", "--steps", "2", "--snr-db", "20", "--no-evaluate")
    done = in_process("attack", *clips, *attack, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    return tmp_path / "run"


def test_a_killed_evaluation_goes_on_and_ends_the_same(crafted: Path, tmp_path: Path) -> None:
    whole = Path(shutil.copytree(crafted, tmp_path / "whole"))
    with counting() as server:
        arguments = ("--victim", server.spec(), "--quiet")
        assert in_process("evaluate", whole, *arguments).returncode == 0
        once = server.answered()
        assert len(once) == 12 and set(once.values()) == {1}, "four clean clips, four artefacts, four controls"
        begun = len(server.state.requests)
        for answers in KILLS:
            assert server.kill_after(answers, "evaluate", crafted, *arguments).returncode == -signal.SIGKILL
            assert not (crafted / "results.jsonl").exists() and (crafted / JOURNAL).exists()
        assert in_process("evaluate", crafted, *arguments).returncode == 0
        assert server.answered(begun) == once, "each sound was answered once, whatever was killed between"
        for name in ("results.jsonl", "summary.json"):
            assert read(crafted / name) == read(whole / name)
        assert not (crafted / JOURNAL).exists()
        # What is finished is heard anew.
        assert in_process("evaluate", crafted, *arguments).returncode == 0
        assert set(server.answered(begun).values()) == {2}


def test_a_killed_suite_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    with counting() as server:
        attacks = [{"attack": "tf-evolution", "params": {"queries": 30}, "max_queries": 3}]
        victims = [{"name": "server", "spec": server.spec()}]
        suite = write_suite(tmp_path, 2, attacks=attacks, victims=victims)
        assert in_process("run", suite, "--trust", "--out", tmp_path / "whole", "--quiet").returncode == 0
        once = server.answered()
        assert set(once.values()) == {1}, "heard when clean, in the search and from the file: paid for once"
        begun = len(server.state.requests)
        for answers in KILLS:
            killed = server.kill_after(answers, "run", suite, "--trust", "--out", tmp_path / "out", "--quiet")
            assert killed.returncode == -signal.SIGKILL
        assert in_process("run", suite, "--trust", "--out", tmp_path / "out", "--quiet").returncode == 0
        assert server.answered(begun) == once
        for path in sorted((tmp_path / "whole").rglob("*.json*")):
            if path.name not in ("run.json", "suite-state.json"):
                assert read(tmp_path / "out" / path.relative_to(tmp_path / "whole")) == read(path), path
        # Another model behind the same address is another victim.
        begun = len(server.state.requests)
        asked = yaml.safe_load(suite.read_text())
        asked["victims"][0]["version"] = "2"
        suite.write_text(yaml.safe_dump(asked))
        assert in_process("run", suite, "--trust", "--out", tmp_path / "out", "--quiet").returncode == 0
        assert server.answered(begun) == once


@pytest.fixture
def speaker(tmp_path: Path) -> str:
    """A program that says each word as a tone of its own."""
    script = tmp_path / "say.py"
    script.write_text(SPEAKER)
    return f"command:{sys.executable} {script} {{text}} {{out}}"


def test_a_killed_text_run_goes_on_and_ends_the_same(speaker: str, tmp_path: Path) -> None:
    with counting() as server:
        texts = ("text", "lock the door", "turn it on", "--perturbation", "homophones")
        options = ("--victim", server.spec(), "--speak", speaker, "--max-queries", "3", "--quiet", "--out")
        assert in_process(*texts, *options, tmp_path / "whole").returncode == 0
        once = server.answered()
        assert set(once.values()) <= {1, 2}, "once in the search, and those that were saved once more from their files"
        begun = len(server.state.requests)
        for answers in KILLS:
            assert server.kill_after(answers, *texts, *options, tmp_path / "run").returncode == -signal.SIGKILL
        assert in_process(*texts, *options, tmp_path / "run").returncode == 0
        assert server.answered(begun) == once
    for name in ("texts.jsonl", "results.jsonl", "summary.json"):
        assert read(tmp_path / "run" / name) == read(tmp_path / "whole" / name)
    assert not (tmp_path / "run" / JOURNAL).exists()


def test_a_journal_that_was_damaged_costs_what_it_held(crafted: Path) -> None:
    victim = load_victim("tiny", "cpu")
    evaluate(Run.open(crafted), [victim])
    right = read(crafted / "results.jsonl")
    lines: list[Any] = [
        b"nonsense",
        b'{"key": 3, "value": {}}',
        b'{"key": ["x"]}',
        b'{"key": ["", "sizes"], "value": 1}',
        b'{"key": ["a"], "val',
    ]
    (crafted / JOURNAL).write_bytes(b"\n".join(lines))
    evaluate(Run.open(crafted), [victim])
    assert read(crafted / "results.jsonl") == right


class Breaking(Victim):
    """Hears one word; and while it hears the n-th clip, something happens."""

    spec, costly = "breaking", True

    def __init__(self, number: int, happens: Any) -> None:
        self.left, self.happens = number, happens

    def transcribe(self, batch: Batch) -> list[Transcript]:
        self.left -= 1
        if self.left == 0:
            self.happens()
        return [Transcript(f"word {int(batch.waveforms.abs().sum())}")] * len(batch)


@pytest.mark.parametrize("number", [1, 3])
def test_a_cache_that_cannot_be_kept_ends_the_run(number: int, tmp_path: Path) -> None:
    """Whether it breaks while the clean clip is heard or in the search: what is asked from then on would be paid for in vain."""
    clips = write_clips(tmp_path / "in", 2)
    request = AttackRequest(inputs=tuple(clips), victim="breaking", attack="tf-evolution", params={"queries": 30}, max_queries=4)

    def damage() -> None:
        (tmp_path / "run" / FILE).write_bytes(b"not a database" * 2000)

    with pytest.raises(RunError, match=r"queries\.sqlite: the query cache cannot be used"):
        craft(request, tmp_path / "run", victim=Breaking(number, damage))
    assert all(example.error is None for example in Run.open(tmp_path / "run").examples()), "it is no fault of an input"
    (tmp_path / "run" / FILE).unlink()
    run = craft(request, tmp_path / "run", victim=Breaking(0, None))
    assert sum(example.error is None and example.control_for is None for example in run.examples()) == 2


def test_an_evaluation_whose_answers_cannot_be_kept_ends(crafted: Path) -> None:
    def block() -> None:
        (crafted / JOURNAL).unlink(missing_ok=True)
        (crafted / JOURNAL).mkdir()

    with pytest.raises(RunError, match=rf"{JOURNAL}: cannot be written"):
        evaluate(Run.open(crafted), [Breaking(2, block)])
    (crafted / JOURNAL).rmdir()
    evaluate(Run.open(crafted), [Breaking(0, None)])
    assert all(row.error is None for row in Run.open(crafted).results())


def test_a_text_is_searched_as_if_alone(speaker: str, tmp_path: Path) -> None:
    """Without its last word each is the same text, which is asked once: it counts for both, or a resumed run would differ."""
    found = {}
    for name, inputs in (("both", ("lock the door", "lock the knight")), ("one", ("lock the knight",))):
        request = TextRequest(
            inputs=inputs, perturbations=("homophones",), victim="tiny", speak=speaker, limits={"max_queries": 5}
        )
        found[name] = craft_texts(request, tmp_path / name, victim=load_victim("tiny", "cpu")).texts()[-1]
    seconds = {"seconds"}
    assert found["both"].model_dump(exclude=seconds) == found["one"].model_dump(exclude=seconds)


def test_texts_that_failed_are_tried_again(speaker: str, tmp_path: Path) -> None:
    down = [True]

    def fault(number: int, asked: Asked) -> str | None:
        return "500" if down[0] and number > 3 else None

    with serving("openai", fault) as server:
        spec = server.spec("retries=0")
        request = TextRequest(
            inputs=("lock the door", "turn it on"),
            perturbations=("homophones",),
            victim=spec,
            speak=speaker,
            limits={"max_queries": 3},
        )
        victim = load_victim(spec, "cpu")
        first = craft_texts(request, tmp_path / "run", victim=victim).texts()
        assert [example.error is None for example in first] == [True, False]
        lines = (tmp_path / "run" / "texts.jsonl").read_bytes()
        craft_texts(request, tmp_path / "run", victim=victim)
        assert (tmp_path / "run" / "texts.jsonl").read_bytes() == lines, "the same failure is told once"
        down[0] = False
        again = craft_texts(request, tmp_path / "run", victim=victim).texts()
        assert again[0] == first[0] and [example.error for example in again] == [None, None]
        before = len(server.requests)
        craft_texts(request, tmp_path / "run", victim=victim)
        assert len(server.requests) == before, "nothing is left to do"


def test_sigterm_ends_as_an_interruption_and_resumes(crafted: Path) -> None:
    with counting() as server:
        arguments = ("evaluate", crafted, "--victim", server.spec(), "--quiet")
        done = server.kill_after(5, *arguments, by=signal.SIGTERM)
        assert (done.returncode, done.stdout) == (130, "")
        assert done.stderr == "voiceattack: error: interrupted; finished examples are kept, resume with the same command\n"
        assert in_process(*arguments).returncode == 0
        assert set(server.answered().values()) == {1}


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_sigterm_leaves_no_child_behind(tmp_path: Path) -> None:
    script = tmp_path / "slow.sh"
    part, whole = tmp_path / "pid.part", tmp_path / "pid"
    script.write_text(f"#!/bin/sh\nsleep 1000 &\necho $! > {part}\nmv {part} {whole}\nwait\n")
    script.chmod(0o755)
    clip = write_clips(tmp_path / "in", 1)[0]
    with subprocess.Popen(command("transcribe", clip, "--victim", f"command:{script} {{audio}}"), env=environment()) as process:
        end = time.monotonic() + 300
        while not whole.exists():
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(300) == 130
    child = int(whole.read_text())
    end = time.monotonic() + 60
    while Path(f"/proc/{child}").exists() and "Z" not in Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[:1]:
        assert time.monotonic() < end, "the program's own child runs on"
        time.sleep(0.05)


class Endless(Victim):
    """Answers 750 kB, other words for other sounds: as a recogniser in a loop, or a server that lies."""

    spec = "endless"

    def transcribe(self, batch: Batch) -> list[Transcript]:
        sums = [int(1000 * float(clip.abs().sum())) for clip in batch.clips()]
        return [Transcript(" ".join(f"w{(index * (total % 97 + 1)) % 9973}" for index in range(135_000))) for total in sums]


def test_of_an_endless_transcript_a_part_is_compared_and_said(tmp_path: Path) -> None:
    """Aligned whole, two of them take minutes: the square of their length."""
    attack = ("--victim", "tiny", "--attack", "noise", "--snr-db", "10", "--no-evaluate", "--quiet")
    assert in_process("attack", *write_clips(tmp_path / "in", 1), *attack, "--out", tmp_path / "run").returncode == 0
    run = Run.open(tmp_path / "run")
    evaluate(run, [Endless()])
    for row in run.results():
        assert len(row.hypothesis) > 700_000 and len(row.hypothesis_normalized) < 2 * MOST_COMPARED
        assert row.wer is not None and row.cer is not None and row.error is None
        said = [line for line in row.warnings if line.endswith("of which the first 50,000 are compared")]
        assert [line.partition(" has ")[0] for line in said] == ["the clean transcript", "the transcript"]


def test_what_is_compared_ends_with_a_word() -> None:
    assert compared("one two") == "one two" and cut_note(transcript="one two", reference=None) == []
    long = "word " * 20_000
    assert compared(long) == long[:50_000].rstrip() and compared("x" + long).endswith(" word")
    assert len(compared("x" * 90_000)) == MOST_COMPARED
    assert word_errors("a b", "a " * 200_000).insertions < 60_000
