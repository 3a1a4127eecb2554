"""Where a run's folder, lines and messages end: what is there already, blank lines, long and foreign values, links out of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import BaseModel, ValidationError
from result_lines import result, result_line

from voiceattack.errors import RunError
from voiceattack.runs import Run
from voiceattack.runs.record_types import Count, Number, Record, RecordError, Text, check, check_numbers
from voiceattack.runs.records import Result, corpus_cer
from voiceattack.text.runs import TextRun

REQUEST: dict[str, Any] = {"victim": "tiny", "params": {"steps": 3}, "seed": 0}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", REQUEST)


def test_a_run_begins_in_an_empty_folder_and_beside_what_a_killed_one_left(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert Run.create(tmp_path / "empty", REQUEST).examples() == []
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / ".run.json.part").write_text("{")
    assert Run.create(tmp_path / "begun", REQUEST).id == Run.create(tmp_path / "deep" / "er", REQUEST).id


def test_an_output_in_the_run_may_not_leave_it_and_any_other_is_the_users(run: Run, tmp_path: Path) -> None:
    (run.path / "link").symlink_to(tmp_path)
    with pytest.raises(RunError, match="outside the run"):
        run.output(run.path / "link" / "x.csv")
    assert run.output(run.path / "x.csv") == run.path / "x.csv"
    for elsewhere in (tmp_path / "x.csv", tmp_path / "run2" / "x.csv", Path("x.csv")):
        assert run.output(elsewhere) == elsewhere


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("ü", '(3 there, "ü" asked)'),
        ("x" * 58, '"' + "x" * 58 + '" asked'),
        ("x" * 59, '"' + "x" * 56 + "... asked"),
        ({"a": 1}, '(3 there, {"a": 1} asked)'),
    ],
)
def test_values_that_differ_are_told_as_they_are_and_cut_when_long(run: Run, steps: Any, told: str) -> None:
    with pytest.raises(RunError) as caught:
        Run.create(run.path, {**REQUEST, "params": {"steps": steps}})
    assert "'params.steps'" in str(caught.value) and told in str(caught.value)


def test_blank_lines_among_results_are_no_results(run: Run) -> None:
    line = json.dumps(result_line())
    (run.path / "results.jsonl").write_text(f"\n{line}\n  \n{line}\n")
    assert run.results() == [result(), result()] == list(run.any_results())


def test_scalars_of_other_packages_are_written_as_numbers(run: Run) -> None:
    facts = {"a": torch.tensor(0.5), "b": np.float32(0.25), "c": np.int64(3), "d": (None, True, float("-inf")), 5: "x"}
    run.write_summary({"groups": [], "warnings": [], **{str(key): value for key, value in facts.items()}})
    assert run.summary() == {"groups": [], "warnings": [], "a": 0.5, "b": 0.25, "c": 3, "d": [None, True, None], "5": "x"}


def test_results_of_texts_are_read_as_such(tmp_path: Path) -> None:
    texts = TextRun.create(tmp_path / "texts", {"perturbations": {}})
    (texts.path / "results.jsonl").write_text(json.dumps(result_line()) + "\n")
    with pytest.raises(RunError, match=r"results\.jsonl:1: damaged"):
        list(texts.any_results())


class Line(Record):
    text: Text = ""
    count: Count = 0
    number: Number = None


@pytest.mark.parametrize("count", [0, 1, 2**63 - 1])
def test_counts_fit_64_bits(count: int) -> None:
    assert check(Line, {"count": count}).count == count


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"count": -1}, "count: "),
        ({"count": 2**63}, "count: "),
        ({"count": 1.0}, "count: "),
        ({"count": True}, "count: "),
        ({"number": float("nan")}, "number: "),
        ({"number": "1"}, "number: "),
        ({"text": "x" * 10_000_001}, "text: "),
        ({"text": 1}, "text: "),
        (3, "Input should be"),
    ],
)
def test_what_a_record_cannot_hold(value: Any, where: str) -> None:
    with pytest.raises(RecordError) as caught:
        check(Line, value)
    assert str(caught.value).startswith(where) and "\n" not in str(caught.value)


def test_numbers_stay_as_they_are_written() -> None:
    kept = [check(Line, {"number": value}).number for value in (1, 1.0, None)]
    assert [type(value) for value in kept] == [int, float, type(None)]
    check_numbers({"a": 1, "b": None, "c": "not asked"}, ["a", "b", "d"])
    for wrong in ("x", float("inf"), [1]):
        with pytest.raises(ValidationError):
            check_numbers({"a": wrong}, ["a"])
    assert issubclass(Line, BaseModel) and check(Line, {"more": [1]}).model_extra == {"more": [1]}


def test_a_corruption_has_a_severity_and_its_noise_has_none() -> None:
    row = result_line(attack="corruption:babble", params={"severity": 3})
    found = Result.model_validate(row)
    assert found.is_corruption and found.severity == 3
    control = Result.model_validate({**row, "params": {}, "control_for": "b"})
    assert not control.is_corruption and control.severity is None and result().severity is None
    for wrong in ({}, {"severity": None}, {"severity": "3"}):
        with pytest.raises(ValidationError, match="severity"):
            Result.model_validate({**row, "params": wrong})


def test_what_was_heard_has_its_texts_and_its_rates_in_pairs() -> None:
    for name in ("reference", "clean_hypothesis", "hypothesis", "audio", "clean_audio"):
        with pytest.raises(ValidationError, match=f"{name} is missing, though the outcome is fooled"):
            result(**{name: None})
        assert result(**{name: None, "outcome": "error"}).failed
    with pytest.raises(ValidationError, match="both or neither"):
        result(cer=None)
    with pytest.raises(ValidationError, match="snr_db"):
        result(snr_db="20")


def test_facts_that_are_not_in_every_line() -> None:
    assert not result().acted and result(action_error=False).acted
    assert result().has_reference and not result(reference_source="clean transcript").has_reference
    rows = [result(cer=0.1), result(reference="a b c d e f", cer=1.0), result(wer=None, cer=None)]
    assert corpus_cer(rows) == pytest.approx((1 + 11) / (10 + 11)) and corpus_cer(rows[2:]) is None
