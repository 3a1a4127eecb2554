"""results.jsonl and summary.json: they come back as they were, and what was edited is told by line and value."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from result_lines import result, result_line
from speechlike import in_process

from voiceattack.errors import RunError
from voiceattack.runs import Run
from voiceattack.runs.records import Result
from voiceattack.text.runs import TextRun


def row(id: str, **changes: Any) -> dict[str, Any]:
    """A whole line of results.jsonl, of an example that failed."""
    texts = ("target", "control_for", "reference", "reference_source", "clean_hypothesis", "hypothesis", "error")
    counts = ("steps", "queries", "seconds", "seed")
    nothing = (*texts, "clean_hypothesis_normalized", "hypothesis_normalized", "wer_clean", "wer", "cer")
    names = {"victim": "tiny", "source_victim": "tiny", "attack": "pgd", "objective": "untargeted", "outcome": "error"}
    return {"id": id, **names, **dict.fromkeys(nothing), **dict.fromkeys(counts, 0), "params": {}, "recipe": {}, **changes}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"wer": "0.5"}, "wer: Input should be a valid number"),
        ({"params": []}, "params: Input should be"),
        ({"warnings": "x"}, "warnings"),
        ({"outcome": "won"}, "outcome"),
        ({"outcome": "held"}, "reference is missing, though the outcome is held"),
        ({"recipe": {"draws": []}}, "recipe.draws"),
        ({"recipe": {"pcm_sha256": "x"}}, "recipe.pcm_sha256"),
        ({"nulls": {"pesq": 3}}, "nulls.pesq"),
        ({"attack": "corruption:speed_up"}, "params.severity is missing"),
    ],
)
def test_edited_results_are_told_by_line_and_value(run: Run, changes: dict[str, Any], word: str) -> None:
    lines = (row("a"), row("b", **changes))
    (run.path / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(
        RunError, match=r"results\.jsonl:2: damaged .*; delete that line, and run: voiceattack evaluate"
    ) as caught:
        run.results()
    assert word in str(caught.value)


@pytest.mark.parametrize("summary", [{}, {"groups": {}}, {"groups": [1], "warnings": []}, {"groups": [], "warnings": [1]}])
def test_an_edited_summary_is_told(run: Run, summary: dict[str, Any]) -> None:
    run.write_summary(summary)
    with pytest.raises(RunError, match=r"summary\.json: damaged \(\w+.*; run: voiceattack evaluate"):
        run.summary()


def test_results_and_summary_come_back(run: Run) -> None:
    rows = [row("a", wer=0.5, snr_db=20, another=math.inf, text="ü\n"), row("b")]
    run.write_results(Result.model_validate(one) for one in rows)
    assert (run.path / "results.jsonl").read_text() == "".join(
        json.dumps({**one, **({"another": None} if "another" in one else {})}, ensure_ascii=False) + "\n" for one in rows
    )
    run.write_summary({"groups": [], "warnings": [], "more": math.nan})
    assert [one.as_json() for one in run.results()] == [{**rows[0], "another": None}, rows[1]]
    assert run.summary() == {"groups": [], "warnings": [], "more": None}
    run.write_results([])
    assert run.results() == []


def test_an_answer_that_no_line_can_hold_costs_its_line_and_an_example_is_named(run: Run) -> None:
    whole = result_line(id="a")
    assert run.result(Result, whole, {}) == result(id="a")
    failed = run.result(Result, {**whole, "evidence": {"answer": 3}}, {**whole, "hypothesis": None})
    assert failed.failed and failed.hypothesis is None and failed.error is not None and "evidence.answer" in failed.error
    damaged = {**whole, "seed": -1}
    with pytest.raises(RunError, match=r"examples\.jsonl: example a is damaged \(seed: .*; delete its line"):
        run.result(Result, damaged, damaged)


def test_runs_of_texts_and_of_audio_are_read_as_what_they_are(run: Run, tmp_path: Path) -> None:
    run.write_results([result()])
    assert list(run.any_results()) == run.results() == [result()]
    texts = TextRun.create(tmp_path / "texts", {"perturbations": {}})
    texts.write_results([])
    assert texts.text_results() == list(texts.any_results()) == []
    with pytest.raises(RunError, match="is a run of texts"):
        texts.results()


def test_results_before_evaluation_and_damaged_ones(run: Run) -> None:
    with pytest.raises(RunError, match=r"has no results\.jsonl yet; run: voiceattack evaluate"):
        run.results()
    with pytest.raises(RunError, match=r"has no summary\.json yet"):
        run.summary()
    (run.path / "results.jsonl").write_text(json.dumps(row("a")) + "\n{\n")
    with pytest.raises(RunError, match=r"results\.jsonl:2: damaged"):
        run.results()
    (run.path / "summary.json").write_text("[]")
    with pytest.raises(RunError, match=r"summary\.json: damaged"):
        run.summary()


def test_a_run_of_texts_is_told_where_audio_is_meant(tmp_path: Path) -> None:
    out = tmp_path / "texts"
    assert in_process("text", "turn on the light", "--perturbation", "typos", "--quiet", "--out", out).returncode == 0
    for words in (
        ("bless", out, "--baseline", tmp_path / "b.json"),
        ("compare", out, out),
        ("export", out, "--out", tmp_path / "e"),
        ("listen", out, "--listener", "me", "--dry-run"),
        ("curve", out),
        ("replay", out, "x"),
    ):
        done = in_process(*words)
        assert done.returncode == 2 and "unexpected" not in done.stderr, (words, done.stderr)
        assert "is a run of texts" in done.stderr or words[0] == "replay", (words, done.stderr)
