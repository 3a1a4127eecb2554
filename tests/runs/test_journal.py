"""What an evaluation under way has found is there again, and nothing else is taken for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from pydantic import TypeAdapter

from voiceattack.runs.journal import FILE, Journal, mark_of, sound_digest
from voiceattack.victims import load_victim


@dataclass
class Found:
    text: str
    size: float | None = None


@dataclass
class Other:
    count: int


KIND = TypeAdapter(Found)


def test_what_is_kept_is_known_now_and_to_the_next(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert not (tmp_path / FILE).exists() and journal.recall(KIND, "v", "a") is None
    assert journal.keep(KIND, Found("ü\n", 0.1), "v", "a") == Found("ü\n", 0.1)
    journal.keep(KIND, Found("later"), "v", "a")
    journal.keep(KIND, Found("other"), "v", "b")
    for known in (journal, Journal(tmp_path)):
        assert known.recall(KIND, "v", "a") == Found("later") and known.recall(KIND, "v", "b") == Found("other")
        assert known.recall(KIND, "w", "a") is known.recall(KIND, "v") is None
        assert known.recall(TypeAdapter(Other), "v", "a") is None, "another kind"


def test_what_json_cannot_give_back_is_returned_and_not_kept(tmp_path: Path) -> None:
    journal, odd = Journal(tmp_path), Found(text=3)  # type: ignore[arg-type]
    assert journal.keep(KIND, odd, "v", "a") is odd
    assert journal.recall(KIND, "v", "a") is None and not (tmp_path / FILE).exists()


def test_a_finished_owner_and_what_is_nobodys_are_forgotten_and_the_file_goes_with_the_last(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for key in (("v", "a"), ("", "b"), ("w", "c")):
        journal.keep(KIND, Found(key[1]), *key)
    journal.finish("v")
    for known in (journal, Journal(tmp_path)):
        assert known.recall(KIND, "v", "a") is known.recall(KIND, "", "b") is None
        assert known.recall(KIND, "w", "c") == Found("c")
    journal.finish("w")
    assert not (tmp_path / FILE).exists()
    journal.finish("w")


@pytest.mark.parametrize(
    "line",
    [
        '{"key": ["v", "a"]}',
        '{"value": {}}',
        '["key", "value"]',
        "3",
        "{",
        '{"key": "va", "value": {"text": "x"}}',
        '{"key": [], "value": {"text": "x"}}',
        '{"key": ["v", 1], "value": {"text": "x"}}',
        "[" * 100_000,
    ],
)
def test_a_line_that_is_no_finding_counts_as_not_there(tmp_path: Path, line: str) -> None:
    whole = json.dumps({"key": ["v", "a"], "value": {"text": "kept"}})
    (tmp_path / FILE).write_text(f"{whole}\n{line}\n{whole.replace('a', 'b', 1)}\n{whole}")
    journal = Journal(tmp_path)
    assert journal.recall(KIND, "v", "a") == Found("kept")
    journal.keep(KIND, Found("more"), "v", "c")
    assert Journal(tmp_path).recall(KIND, "v", "a") == Found("kept")
    assert Journal(tmp_path).recall(KIND, "v", "c") == Found("more")


def test_victims_and_sounds_have_marks_of_their_own() -> None:
    toy, other = load_victim("tiny"), load_victim("command:true {audio}", "cpu")
    assert mark_of(toy) == mark_of(load_victim("tiny")) != mark_of(other) and mark_of(toy, other) != mark_of(other, toy)
    assert len(mark_of(toy)) == 16 and int(mark_of(toy), 16) >= 0
    clip = torch.tensor([0.5, -0.25])
    assert sound_digest(clip) == sound_digest(clip.double().requires_grad_(True)) != sound_digest(-clip)
