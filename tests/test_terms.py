"""Critical terms: counted in evaluation, from the command line, a manifest and a file; summed up and reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from speechlike import in_process, write_clips

from voiceattack import audio
from voiceattack.errors import SpecError
from voiceattack.metrics import METRICS
from voiceattack.metrics.terms import critical_term_error_rate, read_terms, summarize_terms, term_facts
from voiceattack.victims import load_victim


def test_the_rate_is_over_the_terms_said() -> None:
    said = "Set the kitchen lamp to thirty percent."
    assert critical_term_error_rate(said, "set the lamp to 30%", ["kitchen", "thirty percent", "cellar"]) == 0.5
    assert METRICS.get("critical_term_error_rate") is critical_term_error_rate
    with pytest.raises(ValueError, match="undefined"):
        critical_term_error_rate(said, said, ["cellar"])


def test_facts_of_a_row_and_their_sum() -> None:
    rows = [
        term_facts("lock the door", "lock the door", "look the floor", ["door", "lock"]),
        term_facts("go", "go", "go", ["door"]),
    ]
    assert rows[0] == {
        "critical_terms": 2,
        "critical_term_errors": 2,
        "critical_term_errors_clean": 0,
        "critical_terms_missed": ["door", "lock"],
    }
    assert rows[1]["critical_terms"] == 0 and term_facts("a", "a", "a", []) == {}
    summary = summarize_terms([*rows, {"critical_terms": 1, "critical_term_errors": 0, "critical_term_errors_clean": 0}])
    assert summary["critical_terms"] == 3 and summary["critical_term_error_rate"] == pytest.approx(2 / 3)
    low, high = summary["critical_term_ci95"]
    assert low <= 2 / 3 <= high and summary["critical_term_error_rate_clean"] == 0
    assert summarize_terms([rows[1]]) == {}


def test_terms_from_an_option(tmp_path: Path) -> None:
    listed = tmp_path / "terms.txt"
    listed.write_text("kitchen  # a room\n\n# a comment\nliving room\n")
    assert read_terms("kitchen, living room,") == read_terms(str(listed)) == ["kitchen", "living room"]
    for wrong, told in ((str(tmp_path / "none.txt"), "cannot be read"), (" , ...", "no term")):
        with pytest.raises(SpecError, match=told):
            read_terms(wrong)


def test_attack_evaluate_and_the_report_count_them(tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "clips", 2)
    victim = load_victim("tiny", "cpu")
    heard = [victim.transcribe(audio.Batch.of([audio.load(clip)]))[0].text for clip in clips]
    manifest = tmp_path / "clips" / "manifest.jsonl"
    named = heard[1].split()[0]
    lines = [
        {"audio_filepath": Path(clips[0]).name, "text": heard[0]},
        {"audio_filepath": Path(clips[1]).name, "text": heard[1], "critical_terms": [named]},
    ]
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = tmp_path / "run"
    asked = (
        "--victim",
        "tiny",
        "--attack",
        "noise",
        "--snr-db",
        "-5",
        "--out",
        out,
        "--critical-terms",
        f"{heard[0].split()[0]},xyzzy",
    )
    done = in_process("attack", manifest, *asked)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert all(row["critical_terms"] >= 1 and row["critical_term_errors_clean"] == 0 for row in rows)
    assert all(len(row["critical_terms_missed"]) == row["critical_term_errors"] for row in rows)
    missed = sum(row["critical_term_errors"] for row in rows)
    assert missed > 0, "noise louder than the tones is misheard"
    (group,) = json.loads((out / "summary.json").read_text())["groups"]
    assert group["critical_term_error_rate"] == missed / sum(row["critical_terms"] for row in rows)
    assert "critical_term_error_rate" in done.stdout and "noise on tiny" in done.stdout
    assert "## Critical terms" in (out / "report.md").read_text(encoding="utf-8")
    again = in_process("evaluate", out)
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert again.returncode == 0 and [row.get("critical_terms", 0) >= 1 for row in rows] == [False, True], "the manifest's stay"
    wrong = in_process("evaluate", out, "--critical-terms", "...")
    assert wrong.returncode == 2 and "no term" in wrong.stderr
