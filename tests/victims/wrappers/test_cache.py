"""The query cache and the query budget: nothing is asked twice or beyond the limit, and a death in the middle loses nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from query_attack import Noises, registered, request
from speech_server import PROTOCOLS, serving
from speechlike import ROOT, environment, in_process, tones, write_clips

from voiceattack.attacks import build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.attacks.options import SearchOptions
from voiceattack.audio import Batch, load
from voiceattack.constraints import Budget
from voiceattack.craft import craft
from voiceattack.craft.estimate import estimate
from voiceattack.craft.replay import replay
from voiceattack.errors import RunError, VictimError
from voiceattack.objectives import Objective
from voiceattack.runs import Run
from voiceattack.victims import Transcript, Victim, load_victim
from voiceattack.victims.intent import Intent
from voiceattack.victims.wrappers.cache import FILE, QueryCache, RememberingVictim, remembering


@pytest.fixture(autouse=True)
def noises() -> Iterator[None]:
    with registered():
        yield


class Counting(Victim):
    """Hears how many clips it has heard, so that asking again shows."""

    spec = "counting"

    def __init__(self, costly: bool = False, fails_at: int | None = None) -> None:
        self.costly, self.heard, self.fails_at = costly, 0, fails_at

    def transcribe(self, batch: Batch) -> list[Transcript]:
        assert len(batch) == 1, "clips are asked one by one"
        self.heard += 1
        if self.heard == self.fails_at:
            raise VictimError("gone")
        return [Transcript(f"clip number {self.heard}", {"score": 0.5})]

    def score(self, batch: Batch, texts: Sequence[str]) -> torch.Tensor:
        return torch.zeros(len(batch))


class Deaf(Victim):
    """Hears one word in everything."""

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return [Transcript("word")] * len(batch)


def texts(victim: Victim, *seeds: int) -> list[str]:
    return [heard.text for heard in victim.transcribe(Batch.of([tones(seed) for seed in seeds]))]


def test_the_same_samples_are_asked_once(tmp_path: Path) -> None:
    inner = Counting()
    first = remembering(inner, tmp_path / "cache")
    assert texts(first, 0, 1, 0) == ["clip number 1", "clip number 2", "clip number 1"]
    # Another process, another container, longer padding: the samples count.
    later = remembering(Counting(), tmp_path / "cache")
    heard = later.transcribe(Batch.of([tones(1), tones(2, seconds=2.0)]))
    assert [each.text for each in heard] == ["clip number 2", "clip number 1"] and heard[0].details == {"score": 0.5}
    assert isinstance(later, RememberingVictim) and (later.asked, later.known) == (1, 1)
    assert "asked 1 times, 1 answers came from" in later.told() and str(tmp_path / "cache" / FILE) in later.told()
    other = Counting()
    other.spec = "counting?beam=5"
    assert texts(remembering(other, tmp_path / "cache"), 1) == ["clip number 1"], "another spec is another victim"


def test_what_else_the_victim_says_of_itself_is_kept(tmp_path: Path) -> None:
    inner = Counting(costly=True)
    inner.commands, inner.language, inner.asked_device = ("turn on the lamp",), "de", "cpu"
    told = remembering(inner, tmp_path)
    assert (told.commands, told.language, told.asked_device, told.costly) == (inner.commands, "de", "cpu", True)


def test_what_16_bits_cannot_tell_apart(tmp_path: Path) -> None:
    """A server gets 16 bits; a victim in this process may hear what lies between them, so it is asked."""
    wave = tones(0)
    between = wave + 0.2 / 32768
    for costly, asked in ((True, 1), (False, 3)):
        victim = Counting(costly)
        kept = remembering(victim, tmp_path / str(costly))
        for clip in (wave, between, between):
            kept.transcribe(Batch.of([clip]))
        assert victim.heard == asked


def test_a_victim_is_the_same_behind_its_cache(tmp_path: Path) -> None:
    inner = Counting(costly=True)
    inner.language, inner.max_seconds = "de", 7.0
    kept = remembering(inner, tmp_path)
    assert (kept.spec, kept.language, kept.max_seconds, kept.costly) == ("counting", "de", 7.0, True)
    assert kept.capabilities == inner.capabilities and kept.describe() == inner.describe()
    assert kept.score(Batch.of([tones(0)]), ["x"]).shape == (1,)
    with pytest.raises(VictimError, match="reads no text"):
        kept.interpret("x")
    assert remembering(kept, tmp_path / "other") is kept and remembering(inner, None) is inner
    white_box = load_victim("tiny", "cpu")
    assert remembering(white_box, tmp_path) is white_box


class Saying(Victim):
    """Gives one answer to whatever it hears."""

    spec, capabilities = "saying", frozenset({"hears", "acts"})

    def __init__(self, answer: Transcript) -> None:
        self.answer = answer

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return [self.answer] * len(batch)

    def interpret(self, text: str) -> Intent:
        raise AssertionError(f"{text!r} was carried out once more")


DONE = {"answer": "Done \u00b0", "changes": [{"entity": "lock.front", "before": "locked", "after": "unlocked"}]}


@pytest.mark.parametrize(
    "action", [Intent("HassTurnOff", {"name": "lock.front", "area": "hall"}, DONE), Intent("", {}, {"answer": "Sorry"}), Intent()]
)
def test_what_a_victim_did_is_kept_with_what_it_heard(action: Intent, tmp_path: Path) -> None:
    clip = Batch.of([tones(0)])
    told = Transcript("unlock the door", {"score": 0.5}, action)
    for _ in range(2):  # another victim would say something else: the second answer is the first one's
        kept: Any = remembering(Saying(told), tmp_path)
        (heard,) = kept.transcribe(clip)
        assert heard == told and heard.action is not None and heard.action.evidence == action.evidence
        assert str(heard.action) == str(action) and Objective("no-action").met(heard, heard, kept.interpret) is not bool(action)
        told = Transcript("unlock the door", {"score": 0.5}, action) if kept.known else told
    assert kept.known == 1


def test_a_cache_from_before_actions_were_kept(tmp_path: Path) -> None:
    file = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    file.execute(
        "CREATE TABLE answers (audio TEXT, victim TEXT, text TEXT NOT NULL, details TEXT NOT NULL, PRIMARY KEY (audio, victim))"
    )
    for victim in ("wyoming://127.0.0.1:10300", "home-assistant+http://127.0.0.1:8123", "python:mine:make"):
        file.execute("INSERT INTO answers VALUES ('a', ?, 'hello', '{}')", (victim,))
    file.execute("PRAGMA user_version = 1")
    file.close()
    for _ in range(2):
        cache = QueryCache(tmp_path)
        assert cache.find("a", "wyoming://127.0.0.1:10300") == Transcript("hello"), "what was paid for is kept"
        assert cache.find("a", "home-assistant+http://127.0.0.1:8123") is None, "what it did is not known"
        assert cache.find("a", "python:mine:make") is None
        cache.close()


def test_details_that_json_lacks(tmp_path: Path) -> None:
    """Anybody's own victim may say anything: numbers stay numbers, the rest is told in words."""
    odd = {
        "score": np.float32(0.5),
        "count": np.int64(3),
        "logits": torch.tensor([1.0, 2.5], requires_grad=True),
        "loss": torch.tensor(2.0),
        "pair": (1, np.bool_(True)),
        "path": Path("a") / "b",
        7: {"deep": np.arange(3)},
    }
    for known in (0, 1):
        kept: Any = remembering(Saying(Transcript("hi", odd, Intent("A", {}, {"level": np.float32(0.25)}))), tmp_path)  # type: ignore[arg-type]
        (heard,) = kept.transcribe(Batch.of([tones(0)]))
        assert kept.known == known
    assert heard.details == {
        "score": 0.5,
        "count": 3,
        "logits": [1.0, 2.5],
        "loss": 2.0,
        "pair": [1, True],
        "path": str(Path("a") / "b"),
        "7": {"deep": [0, 1, 2]},
    }
    assert type(heard.details["count"]) is int and heard.action == Intent("A") and heard.action.evidence == {"level": 0.25}


def test_text_that_no_file_can_hold_is_kept(tmp_path: Path) -> None:
    for _ in range(2):
        kept = remembering(Saying(Transcript("hi \ud800 there \U0001f600")), tmp_path)
        (heard,) = kept.transcribe(Batch.of([tones(0)]))
        assert heard.text == "hi \ufffd there \U0001f600"
    assert isinstance(kept, RememberingVictim) and kept.known == 1


def test_errors_are_not_kept_and_what_came_before_them_is(tmp_path: Path) -> None:
    kept = remembering(Counting(fails_at=3), tmp_path)
    with pytest.raises(VictimError):
        texts(kept, 0, 1, 2)
    again = remembering(Counting(), tmp_path)
    assert texts(again, 0, 1, 2) == ["clip number 1", "clip number 2", "clip number 1"]


def test_two_at_once_and_a_damaged_file(tmp_path: Path) -> None:
    one, two = QueryCache(tmp_path), QueryCache(tmp_path)
    one.keep("a", "v", Transcript("first"))
    two.keep("a", "v", Transcript("second"))
    assert two.find("a", "v") == one.find("a", "v") == Transcript("first"), "the first answer stays"
    one.close()
    two.close()
    (tmp_path / FILE).write_bytes(b"not a database at all, but long enough to look at" * 40)
    with pytest.raises(RunError, match=r"queries\.sqlite: the query cache cannot be used .* delete it if it is damaged"):
        QueryCache(tmp_path)
    (tmp_path / FILE).unlink()
    file = sqlite3.connect(tmp_path / FILE)
    file.execute("PRAGMA user_version = 99")
    file.close()
    with pytest.raises(RunError, match="written by another version"):
        QueryCache(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be used"):
        QueryCache(tmp_path / "file")


def test_a_second_run_asks_nothing(tmp_path: Path) -> None:
    """With --cache neither crafting nor hearing back asks again; without it what was crafted is heard anew."""
    clip = write_clips(tmp_path / "in", 1)[0]
    with serving("openai") as server:

        def go(out: str, *options: str) -> int:
            before = len(server.requests)
            common = ("attack", clip, "--victim", server.spec(), "--attack", "noises", "--param", "queries=4", "--snr-db", "30")
            done = in_process(*common, "--wer-threshold", "50", "--out", tmp_path / out, "--no-report", *options)
            assert done.returncode == 0, done.stderr
            assert ("came from" in done.stdout) is ("--no-cache" not in options)
            return len(server.requests) - before

        cache = ("--cache", str(tmp_path / "cache"))
        # The clean clip, four draws; heard back: clean and artefact are known, the noise control is new.
        assert go("one", *cache) == 6 and go("two", *cache) == 0
        assert not (tmp_path / "one" / FILE).exists()
        # By default the run keeps what crafting asked, and its saved files are heard back anew.
        assert go("three") == 5 + 3 and (tmp_path / "three" / FILE).exists() and go("three") == 3
        assert go("four", "--no-cache") == 5 + 3 and not (tmp_path / "four" / FILE).exists()
        before = len(server.requests)
        assert in_process("evaluate", tmp_path / "four", "--victim", server.spec(), "--quiet", *cache).returncode == 0
        assert len(server.requests) == before
    results = [Run.open(tmp_path / name).results()[0] for name in ("one", "two", "three", "four")]
    assert {row.queries for row in results} == {4} and len({row.sha256 for row in results}) == 1
    assert in_process("attack", clip, "--cache", "x", "--no-cache").returncode == 2


def test_the_budget_stops_the_search_with_its_best(tmp_path: Path) -> None:
    clip = write_clips(tmp_path / "in", 1)[0]
    victim = Counting(costly=True)
    run = craft(request("counting", clip, queries=9, max_queries=4), tmp_path / "run", victim=victim)
    attacked = run.examples()[0]
    assert attacked.queries == 4 and victim.heard == 5, "four, and the clean clip"
    assert attacked.warnings == ["the search was cut short at max_queries=4"]
    assert attacked.sha256 is not None and attacked.recipe["max_queries"] == 4
    # What the search had found by then: the same as a search of that length finds.
    tiny = load_victim("tiny", "cpu")
    cut = craft(request("tiny", clip, queries=9, max_queries=4), tmp_path / "cut", victim=tiny)
    short = craft(request("tiny", clip, queries=4), tmp_path / "short", victim=tiny)
    waves = [load(run.path / str(run.examples()[0].audio)) for run in (cut, short)]
    assert torch.equal(*waves) and cut.id != short.id and short.examples()[0].warnings == []
    assert replay(cut, attacked.id, tiny).same
    assert estimate(request("counting", clip, queries=9, max_queries=4), victim=Counting()).queries == 5
    assert estimate(request("counting", clip, queries=3, max_queries=4), victim=Counting()).queries == 4


@pytest.mark.parametrize("name", ["boundary", "genetic", "hop-skip-jump", "kenansville", "nes", "spsa", "square"])
def test_a_search_that_the_budget_cut_short_says_so(name: str) -> None:
    """Whether it runs into the limit or sees it coming."""
    batch = Batch.of([tones(0)])
    attack = build_attack(name)
    (result,) = attack.craft(
        Deaf(),
        batch,
        ["word"],
        Objective(),
        Budget(snr_db=30) if attack.needs_budget else Budget(),
        [1],
        options=SearchOptions(max_queries=5),
    )
    assert isinstance(result, Crafted) and result.queries <= 5
    assert result.warnings.count("the search was cut short at max_queries=5") == 1
    (enough,) = build_attack("corruption:gain").craft(
        Deaf(), batch, ["word"], Objective(), Budget(), [1], options=SearchOptions(max_queries=1)
    )
    assert isinstance(enough, Crafted) and not enough.warnings, "it asks once and no more"


def test_the_budget_counts_clip_by_clip_whatever_the_attack_asks_at_once() -> None:
    tiny = load_victim("tiny", "cpu")
    batch = Batch.of([tones(0), tones(1)])
    clean = [heard.text for heard in tiny.transcribe(batch)]
    for attack, objective in ((Noises(queries=50), Objective(wer_threshold=50.0)), (build_attack("random-search"), Objective())):
        for most in (1, 7):
            results = attack.craft(
                tiny, batch, clean, objective, Budget(snr_db=60), [1, 2], options=SearchOptions(max_queries=most)
            )
            assert isinstance(results[0], Crafted) and results[0].queries == most
    unlimited = Noises(queries=3).craft(tiny, batch, clean, Objective(), Budget(snr_db=60), [1, 2])
    assert [result.queries for result in unlimited] == [3, 3]


def test_more_candidates_than_the_budget_has_queries_for() -> None:
    """A population larger than what is left: the first of it are heard and count."""
    from voiceattack.attacks.clip_log import OutOfQueries
    from voiceattack.attacks.problem import Problem

    victim = load_victim("tiny", "cpu")
    batch = Batch.of([tones(0)])
    clean = [heard.text for heard in victim.transcribe(batch)]
    problem = Problem(victim, batch, clean, Objective(), Budget(snr_db=10), [1], 0, options=SearchOptions(max_queries=3))
    noise = torch.randn(5, batch.waveforms.shape[1], generator=torch.Generator().manual_seed(0))
    with pytest.raises(OutOfQueries):
        problem.hear(problem.realize(noise, [0] * 5), [0] * 5)
    assert problem.logs[0].queries == 3 and problem.queries_left(0) == 0 and problem.logs[0].best is not None
    with pytest.raises(OutOfQueries):
        problem.score(batch.waveforms, [0])
    assert problem.logs[0].queries == 3


def test_what_was_paid_before_an_error_is_recorded(tmp_path: Path) -> None:
    clip = write_clips(tmp_path / "in", 1)[0]
    run = craft(request("counting", clip), tmp_path / "run", victim=Counting(fails_at=4))
    (failed,) = run.examples()
    assert failed.error == "gone" and failed.queries == 3


@contextlib.contextmanager
def running(protocol: str, log: Path, *options: str, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server in a process of its own; the process and its port."""
    command = [
        sys.executable,
        str(ROOT / "tests" / "support" / "speech_server.py"),
        protocol,
        "--log",
        str(log),
        "--port",
        str(port),
        *options,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment(ROOT / "tests" / "support")) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def contents(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*.flac")}


def records(run: Path) -> list[dict[str, Any]]:
    lines = [example.model_dump(exclude={"seconds"}) for example in Run.open(run).examples()]
    return sorted(lines, key=lambda line: str(line["id"]))


@pytest.mark.slow
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_server_that_dies_half_way_is_resumed_and_asked_nothing_twice(protocol: str, tmp_path: Path) -> None:
    paths = write_clips(tmp_path / "in", 4)
    log, said = tmp_path / "log.txt", []
    with running(protocol, log, "--die-after", "10") as (server, port):
        address = f"127.0.0.1:{port}"
        spec = {"openai": f"openai+http://{address}/v1?model=tiny&retries=0", "wyoming": f"wyoming://{address}?retries=0"}[
            protocol
        ]
        run = craft(request(spec, *paths), tmp_path / "run", victim=load_victim(spec, "cpu"), on_error=said.append)
        assert server.wait(10) == 1
    # Seven queries a clip: the first clip is done, the second was at its third draw, nobody heard the others.
    finished = {example.id for example in run.examples() if example.error is None and example.control_for is None}
    failed = [example for example in run.examples() if example.error is not None]
    assert len(finished) == 1 and len(failed) == len(said) == 3
    assert [example.queries for example in failed] == [3, 0, 0]
    paid = log.read_text().splitlines()
    assert len(paid) == len(set(paid)) == 10
    with running(protocol, log, port=port):
        craft(request(spec, *paths), tmp_path / "run", victim=load_victim(spec, "cpu"))
        asked = log.read_text().splitlines()
        assert len(asked) == len(set(asked)) == 4 * 7, "every query was paid once"
        craft(request(spec, *paths), tmp_path / "fresh", victim=load_victim(spec, "cpu"))
    resumed = [example for example in run.examples() if example.control_for is None]
    assert len(resumed) == 4 and all(example.error is None for example in resumed)
    lines = [line for line in (tmp_path / "run" / "examples.jsonl").read_text().splitlines() if '"error": null' in line]
    assert len(lines) == 8, "four artefacts and four controls, none crafted twice"
    assert contents(tmp_path / "run") == contents(tmp_path / "fresh")
    assert records(tmp_path / "run") == records(tmp_path / "fresh")


@pytest.mark.slow
def test_a_client_killed_half_way_has_paid_for_what_it_heard(tmp_path: Path) -> None:
    paths = write_clips(tmp_path / "in", 3)
    log = tmp_path / "log.txt"
    with running("wyoming", log) as (_, port):
        spec = f"wyoming://127.0.0.1:{port}"
        command = [sys.executable, str(ROOT / "tests" / "support" / "query_attack.py"), str(tmp_path / "run"), spec, *paths]
        with subprocess.Popen(command, env=environment(ROOT / "tests" / "support")) as client:
            until = time.monotonic() + 120
            while not (log.exists() and len(log.read_text().splitlines()) >= 9):
                assert client.poll() is None and time.monotonic() < until, "the client ended before it was killed"
                time.sleep(0.01)
            os.kill(client.pid, signal.SIGKILL)
        time.sleep(0.5)  # what the server is still answering
        before = log.read_text().splitlines()
        assert len(before) < 21, "it was not killed half-way"
        craft(request(spec, *paths), tmp_path / "run", victim=load_victim(spec, "cpu"))
        asked = log.read_text().splitlines()
    # The one answer that was under way when it died may have been lost.
    assert len(set(asked)) == 21 and len(asked) <= 22
    assert sum(example.control_for is None and example.error is None for example in Run.open(tmp_path / "run").examples()) == 3


EDITS = [("details", "[]"), ("details", "{"), ("text", b"x"), ("action", "[]"), ("action", '{"name": 3}'), ("action", "x")]


@pytest.mark.parametrize(("column", "value"), EDITS)
def test_an_answer_that_was_edited_is_asked_for_again(tmp_path: Path, column: str, value: object) -> None:
    cache = QueryCache(tmp_path)
    cache.keep("a", "v", Transcript("one", {"x": 1}))
    cache.close()
    with sqlite3.connect(tmp_path / "queries.sqlite") as file:
        file.execute(f"UPDATE answers SET {column} = ?", (value,))
    file.close()
    cache = QueryCache(tmp_path)
    assert cache.find("a", "v") is None
    cache.keep("a", "v", Transcript("two", {}))
    assert cache.find("a", "v") == Transcript("two", {})
    cache.close()


def test_a_cache_whose_answers_are_no_table_is_named(tmp_path: Path) -> None:
    QueryCache(tmp_path).close()
    with sqlite3.connect(tmp_path / "queries.sqlite") as file:
        file.execute("DROP TABLE answers")
        file.execute("CREATE VIEW answers AS SELECT 1 AS audio, 2 AS victim, 3 AS text, 4 AS details, 5 AS action")
    file.close()
    with pytest.raises(RunError, match="must be a table"):
        QueryCache(tmp_path)
