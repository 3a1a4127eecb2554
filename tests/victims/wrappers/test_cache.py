"""The query cache: nothing is asked twice, and what a victim did is kept with what it heard."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from query_attack import Counting, registered
from speech_server import serving
from speechlike import in_process, tones, write_clips

from voiceattack.audio import Batch
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
