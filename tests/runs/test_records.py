"""Lines of results.jsonl as typed objects: the same bytes written as read, and what is asked of one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError
from result_lines import result_line

from voiceattack.runs.records import Result, TextResult, unit_notes

LINE = result_line(copy=3.5, from_elsewhere=[1, {"b": 1, "a": 2}])
"""With metrics of other packages, one of them named like a method."""


def line(**changes: Any) -> Result:
    return Result.model_validate({**LINE, **changes})


TEXT: dict[str, Any] = {
    **{name: LINE[name] for name in ("id", "victim", "source_victim", "objective", "target", "queries", "seed", "recipe")},
    **dict.fromkeys(("expected", "search", "clean_answer", "answer", "clean_heard", "heard", "effect"), "x"),
    **{"source": "s", "text": "lamp", "perturbed": "ramp", "perturbation": "p", "seconds": 0.0, "outcome": "made"},
    "edits": [{"old": "l", "new": "r", "start": 0, "end": 1, "words": 1, "distance": None}],
    "edit_distance": 1,
}


@pytest.mark.parametrize(("model", "whole"), [(Result, LINE), (TextResult, TEXT)])
def test_written_as_it_was_read(model: Any, whole: dict[str, Any]) -> None:
    for known in (whole, dict(reversed(whole.items())), {k: v for k, v in whole.items() if k not in ("warnings", "language")}):
        assert json.dumps(model.model_validate(known).as_json()) == json.dumps(known)


def test_a_change_is_written_too() -> None:
    changed = line().model_copy(update={"critical_terms": 2})
    assert list(changed.as_json().items()) == [*LINE.items(), ("critical_terms", 2)]


def test_it_is_frozen() -> None:
    with pytest.raises(ValidationError):
        line().wer = 0.0


def test_metrics_by_name() -> None:
    assert line().values == {"snr_db": 20, "copy": 3.5, "from_elsewhere": [1, {"b": 1, "a": 2}]}
    asked = ("snr_db", "copy", "wer", "from_elsewhere", "pesq", "hypothesis")
    assert [line().value(name) for name in asked] == [20, 3.5, LINE["wer"], None, None, None]
    assert line().snr_db == 20
    assert line(snr_db=None).snr_db is None


@pytest.mark.parametrize(
    ("changes", "control", "stage", "final"),
    [
        ({}, False, False, True),
        ({"control_for": "b"}, True, False, False),
        ({"stage_of": "b"}, False, True, False),
        ({"stage_of": "b", "control_for": "b.20"}, True, True, False),
    ],
)
def test_what_it_is(changes: dict[str, Any], control: bool, stage: bool, final: bool) -> None:
    result = line(**changes)
    assert (result.is_control, result.is_stage, result.is_final) == (control, stage, final)


@pytest.mark.parametrize(
    ("outcome", "scored", "failed"),
    [
        ("fooled", True, False),
        ("held", True, False),
        ("no_effect", True, False),
        ("clean_wrong", False, False),
        ("error", False, True),
    ],
)
def test_what_counts(outcome: str, scored: bool, failed: bool) -> None:
    assert (line(outcome=outcome).scored, line(outcome=outcome).failed) == (scored, failed)
    assert line(outcome=outcome).transcribed is not failed
    assert not line(outcome=outcome, wer=None, cer=None).transcribed


def test_texts_that_nobody_was_asked_are_not_scored() -> None:
    made = {**TEXT, "outcome": "no_effect"}
    assert TextResult.model_validate(made).scored
    assert not TextResult.model_validate({**made, "victim": None}).scored


def test_texts_are_compared_normalised_by_the_language() -> None:
    assert line().normalized_reference == "turn it on"
    assert line(reference=None, outcome="error").normalized_reference == ""
    # By this version, not as an earlier one wrote it; which is all there is where the raw text was not kept.
    assert line(hypothesis_normalized="old").normalized_hypothesis == "turn it of"
    failed = line(outcome="error", clean_hypothesis=None, clean_hypothesis_normalized="kept")
    assert failed.normalized_clean_hypothesis == "kept"
    chinese = line(language="zh", reference="开灯", hypothesis="关灯", clean_hypothesis="开灯")
    assert (chinese.word_errors().errors, chinese.clean_word_errors().errors, chinese.reference_letters) == (1, 0, 2)
    assert line().reference_letters == len("turn it on")


def test_without_a_language_it_is_of_english() -> None:
    assert Result.model_validate({key: value for key, value in LINE.items() if key != "language"}).language == "en"
    assert (
        Result.model_validate({**LINE, "language": None}).language
        == Result.model_validate({**LINE, "language": ""}).language
        == "en"
    )


def test_baseline_entry() -> None:
    entry = line().baseline_entry()
    brief = ("id", "victim", "source_victim", "attack", "objective", "target", "outcome", "success", "snr_db", "hypothesis")
    assert list(entry) == [*brief, "words", "errors", "clean_errors"]
    assert entry == {**{name: LINE[name] for name in brief}, "words": 3, "errors": 1, "clean_errors": 0}
    counts = ("words", "errors", "clean_errors")
    assert [line(outcome="error").baseline_entry()[name] for name in counts] == [None, None, None]


def test_victims_whose_errors_are_characters_are_told_once() -> None:
    assert len(unit_notes([("a", "zh"), ("a", "zh"), ("b", "en")])) == 1
