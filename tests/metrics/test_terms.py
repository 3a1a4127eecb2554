"""Critical terms: counted in evaluation, from the command line, a manifest and a file; summed up and reported."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from result_lines import result
from speechlike import in_process, write_clips
from suite_fixture import run as run_suite
from suite_fixture import summary as suite_summary
from suite_fixture import write_suite

from voiceattack.audio import clips as audio
from voiceattack.errors import SpecError
from voiceattack.metrics import METRICS
from voiceattack.metrics.terms import (
    critical_term_error_rate,
    missed_terms,
    read_terms,
    summarize_terms,
    term_errors,
    term_facts,
    unsaid_notes,
)
from voiceattack.victims import load_victim


def test_the_rate_is_over_the_terms_said() -> None:
    said = "Set the kitchen lamp to thirty percent."
    assert critical_term_error_rate(said, "set the lamp to 30%", ["kitchen", "thirty percent", "cellar"]) == 0.5
    assert METRICS.get("critical_term_error_rate").function is critical_term_error_rate
    with pytest.raises(ValueError, match="undefined"):
        critical_term_error_rate(said, said, ["cellar"])


def test_facts_of_a_row_and_their_sum() -> None:
    facts = [
        term_facts("lock the door", "lock the door", "look the floor", ["door", "lock"]),
        term_facts("go", "go", "go", ["door"]),
    ]
    assert facts[0] == {
        "critical_terms": 2,
        "critical_term_errors": 2,
        "critical_term_errors_clean": 0,
        "critical_terms_missed": ["door", "lock"],
    }
    assert facts[1]["critical_terms"] == 0 and term_facts("a", "a", "a", []) == {}
    rows = [result(**found) for found in facts]
    another = result(critical_terms=1, critical_term_errors=0, critical_term_errors_clean=0)
    summary = summarize_terms([*rows, result(), another])
    assert summary["critical_terms"] == 3 and summary["critical_term_error_rate"] == pytest.approx(2 / 3)
    low, high = summary["critical_term_ci95"]
    assert low <= 2 / 3 <= high and summary["critical_term_error_rate_clean"] == 0
    assert summarize_terms([rows[1], result()]) == {}
    misheard = result(critical_terms=4, critical_term_errors=0, critical_term_errors_clean=1)
    assert summarize_terms([misheard])["critical_term_error_rate_clean"] == 1 / 4


def test_terms_from_an_option(tmp_path: Path) -> None:
    listed = tmp_path / "terms.txt"
    listed.write_text("kitchen  # a room\n\n# a comment\nliving room\n")
    assert read_terms("kitchen, living room,") == read_terms(str(listed)) == ["kitchen", "living room"]
    plain = listed.rename(tmp_path / "terms")
    assert read_terms(str(plain)) == ["kitchen", "living room"], "a file without a suffix"
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
    unsaid = "critical terms that no reference says, so that nothing is counted for them: 'xyzzy'; check their spelling"
    assert unsaid in done.stdout and unsaid in json.loads((out / "summary.json").read_text())["warnings"]
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


def test_terms_are_found_word_by_word_before_numbers_are_folded_and_after() -> None:
    assert term_errors("Set an alarm for seven o'clock.", "Set an alarm for eleven o'clock.", ["seven"]) == (1, 1)
    assert term_errors("seven o'clock", "7 o'clock", ["seven", "seven o'clock"]) == (0, 2)
    assert term_errors("seven thirty", "it is 7:30", ["seven", "thirty", "seven thirty"]) == (0, 3)
    assert term_errors("thirty percent, thirty percent", "30%", ["thirty percent", "30%"]) == (1, 2), "one term, said twice"
    assert term_errors("bye bye bye", "bye bye", ["bye"]) == (1, 3) and term_errors("bye bye bye", "bye", ["bye bye"]) == (1, 1)
    assert term_errors("Don\u2019t stop", "do not stop", ["don't"]) == (0, 1)
    assert term_errors("the seventh", "the seventh", ["seven"]) == (0, 0), "words, not parts of them"
    said, missed = missed_terms("seven o'clock", "", ["seven o'clock"])
    assert list(said) == list(missed) == ["seven o clock"], "named as it is said, not as 70 clock"


def test_notes_on_terms_that_nobody_says() -> None:
    rows = [("a", "the lamp", "en"), ("b", "the door", "en"), ("c", None, "en")]
    assert unsaid_notes(rows, ["lamp", "door"], {"a": ["lamp"]}) == [] == unsaid_notes(rows[2:], ["lamp"])
    (note,) = unsaid_notes(rows, ["lamp", "lmap"], {"a": ["door"], "b": ["door"]})
    assert "'lmap', 'door'; check" in note
    for count, end in ((8, "'h'; check"), (9, "'h', ...; check")):
        (note,) = unsaid_notes(rows, "abcdefghi"[:count])
        assert end in note and ("..." in note) == (count > 8)


def test_a_suite_says_which_terms_nobody_says_and_counts_in_the_victims_language(tmp_path: Path) -> None:
    (tmp_path / "asr.py").write_text("print('打开厨房的门', flush=True)", encoding="utf-8")
    spec = f"command:{sys.executable} -X utf8 {tmp_path / 'asr.py'} {{audio}}?language=zh"
    suite = write_suite(
        tmp_path,
        1,
        victims=[{"name": "zh", "spec": spec}],
        attacks=[{"attack": "noise", "budget": {"snr_db": 20}, "control": False}],
        critical_terms=["灯", "厨房", "窗"],
        gates=["critical_term_error_rate <= 0.5"],
    )
    line = {"audio_filepath": "clip0.wav", "text": "打开厨房的灯"}
    (tmp_path / "in" / "m.jsonl").write_text(json.dumps(line), encoding="utf-8")
    suite.write_text(suite.read_text().replace("in/clip0.wav", "in/m.jsonl"))
    code, out, err = run_suite(suite, "--trust")
    assert code == 0, (out, err)
    found = suite_summary(suite)
    assert found["gates"][0]["value"] == 0.5
    assert any("no reference says" in hint and "'窗'" in hint for hint in found["hints"]) and "'窗'" in out
