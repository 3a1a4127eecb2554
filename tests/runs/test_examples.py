"""examples.jsonl: lines come back as they were, a torn last one is dropped, other damage is named, paths stay inside."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from result_lines import result
from run_fixture import example

from voiceattack.errors import RunError
from voiceattack.runs import Run


def test_examples_come_back_as_they_were(run: Run) -> None:
    kept = [example("a"), example("b", reference="ça va?\u2028\n", trace=[{"step": 1}], error="no"), example("c", audio=None)]
    for item in kept:
        run.append(item)
    assert run.examples() == kept
    assert run.done_ids() == {"a", "b", "c"}
    assert Run.open(run.path).examples() == kept


def test_of_two_lines_with_one_id_the_later_counts(run: Run) -> None:
    for item in (example("a", error="no"), example("b"), example("a")):
        run.append(item)
    assert [(item.id, item.error) for item in run.examples()] == [("a", None), ("b", None)]


def test_numbers_that_json_lacks_become_null(run: Run) -> None:
    run.append(example("a", trace=[{"snr_db": math.inf, "loss": torch.tensor(0.5), "worst": [math.nan]}]))
    assert run.examples()[0].trace == [{"snr_db": None, "loss": 0.5, "worst": [None]}]


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError):
        example("a", colour="red")


@pytest.mark.parametrize("torn", ['{"id": "b", "sour', "\0" * 100, "{", '{"id": "b"}'])
def test_a_torn_last_line_is_dropped(run: Run, torn: str) -> None:
    run.append(example("a"))
    file = run.path / "examples.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole + torn.encode())
    assert run.done_ids() == {"a"}
    run.append(example("b"))
    assert [item.id for item in run.examples()] == ["a", "b"]
    assert file.read_bytes().startswith(whole + b'{"id": "b", "source"')


def test_a_whole_last_line_without_its_line_feed_is_kept(run: Run) -> None:
    run.append(example("a"))
    file = run.path / "examples.jsonl"
    file.write_bytes(file.read_bytes().rstrip(b"\n"))
    assert run.done_ids() == {"a"}
    run.append(example("b"))
    assert [item.id for item in run.examples()] == ["a", "b"]


def test_damage_before_the_last_line_is_named_never_skipped(run: Run) -> None:
    for name in "abc":
        run.append(example(name))
    file = run.path / "examples.jsonl"
    lines = file.read_bytes().split(b"\n")
    for damage in (b"{", b"[]", b'{"id": 1}', b""):
        file.write_bytes(b"\n".join([lines[0], damage, *lines[2:]]))
        with pytest.raises(RunError, match=r"examples\.jsonl:2: no valid example") as caught:
            run.examples()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "audio/../../x", "..", "", "a\0b", "..\\x", "link/x", "audio/link.flac"])
def test_a_record_cannot_name_a_path_outside_the_run(run: Run, path: str) -> None:
    (run.path / "link").symlink_to("/tmp")
    (run.path / "audio" / "link.flac").symlink_to("/etc/passwd")
    with pytest.raises(RunError, match="outside the run"):
        run.resolve(path)
    run.append(example("a", audio=path))
    with pytest.raises(RunError, match="outside the run"):
        run.examples()
    run.write_results([result(clean_audio=path)])
    with pytest.raises(RunError, match="outside the run"):
        run.results()


def test_paths_inside_resolve(run: Run) -> None:
    assert run.resolve("audio/a.flac") == run.path / "audio" / "a.flac" == run.audio_path("a")


def test_a_run_moved_elsewhere_still_opens(run: Run, tmp_path: Path) -> None:
    run.append(example("a"))
    moved = run.path.rename(tmp_path / "moved")
    (only,) = Run.open(moved).examples()
    assert only.audio is not None
    assert Run.open(moved).resolve(only.audio) == moved / "audio" / "a.flac"
