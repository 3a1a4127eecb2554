"""``voiceattack history``: thirty summaries with a regression and a flaky case planted; both are named, nothing else."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from browser import chromium
from page_check import check_page
from speechlike import in_process
from suite_fixture import run as run_suite
from suite_fixture import write_suite

from voiceattack.errors import RunError
from voiceattack.history import histories, read_runs
from voiceattack.metrics.intervals import wilson

CLIPS = 20
FLAKY = "clip-07-0000-pgd"


def gate(name: str, hits: int, n: int, victim: str = "model", attack: str | None = "pgd") -> dict[str, Any]:
    limit = 0.9
    group = ", ".join(part for part in (victim, attack) if part)
    found = {"value": hits / n, "interval": list(wilson(hits, n) or ()), "n": n}
    return {
        "name": f"{name} <= {limit} ({group})",
        "gate": f"{name} <= {limit}",
        "figure": name,
        "victim": victim,
        "attack": attack,
        "verdict": "passed" if hits / n <= limit else "failed",
        "reason": "",
        "seeds": [found],
        **found,
    }


def summary(run: int, fooled: set[int], wrong: set[int], mark: str = "0" * 16) -> dict[str, Any]:
    """What a suite writes of 20 clips under one attack, and of the same clips clean; ``run`` counts from 1."""
    ids = [f"clip-{number:02}-0000" for number in range(CLIPS)]
    day = datetime(2026, 3, 1, 2, tzinfo=timezone.utc) + timedelta(days=run)
    return {
        "format": "voiceattack suite summary 1",
        "suite": "nightly",
        "verdict": "passed",
        "shard": None,
        "finished": day.isoformat(),
        "commit": f"{run:02x}".ljust(40, "0"),
        "victims": [{"name": "model", "spec": "command:asr", "version": None, "fingerprint": mark}],
        "gates": [gate("success_rate", len(fooled), CLIPS), gate("wrong_rate", len(wrong), CLIPS, attack=None)],
        "examples": [
            {"id": f"{id}-pgd", "victim": "model", "attack": "pgd", "seed": 0, "cell": "pgd-model-0-abc"}
            | {"outcome": "fooled" if number in fooled else "held"}
            for number, id in enumerate(ids)
        ],
        "clean": [
            {"id": f"{id}-clean", "victim": "model", "kind": "clean", "wer": 0.25 if number in wrong else 0.0, "words": 4}
            for number, id in enumerate(ids)
        ],
    }


def write(folder: Path, runs: list[dict[str, Any]]) -> Path:
    """As a CI keeps them: some as a run's folder, most as copies of the one file."""
    for number, one in enumerate(runs, 1):
        path = folder / f"run-{number}" / "summary.json" if number % 5 == 0 else folder / f"{number:03}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(one))
    return folder


def thirty(mark_of_17: str = "0" * 16) -> list[dict[str, Any]]:
    """Two clips of 20 are fooled; from run 17 on seven more; clip 7 is fooled in runs 5, 6, 12 and 26."""
    found = []
    for run in range(1, 31):
        fooled = {0, 1, *(range(10, 17) if run >= 17 else ()), *((7,) if run in (5, 6, 12, 26) else ())}
        found.append(summary(run, fooled, {3}, mark_of_17 if run >= 17 else "0" * 16))
    return found


@pytest.mark.parametrize("mark", ["0" * 16, "1" * 16], ids=["behind a server", "by a new version"])
def test_a_planted_regression_and_a_flaky_case_are_named_and_nothing_else(mark: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "runs", thirty(mark))
    done = in_process("history", folder, "-o", tmp_path / "h.json", "-o", tmp_path / "h.md")
    assert (done.returncode, done.stderr) == (0, "")
    changed, flaky, headline, *_ = done.stdout.splitlines()
    assert changed.startswith(
        "changed: success_rate <= 0.9 (model, pgd): worse from run 17 (2026-03-18 02:00, commit 1100000000, model "
    )
    assert f" on, after commit 1000000000{', model 00000000' if mark[0] == '1' else ''}: 0.109 to 0.454 (mean of 16" in changed
    assert flaky.startswith("flaky: clip-07-0000-pgd (pgd on model): its verdict changed in runs 5, 7, 12, 13, 26 and 27")
    assert headline == "suite nightly: 1 of 2 gates got worse, 1 flaky case in 30 runs"
    (found,) = json.loads((tmp_path / "h.json").read_text())["suites"]
    assert [(one["gate"], one["run"], one["worse"]) for one in found["changes"]] == [
        ("success_rate <= 0.9 (model, pgd)", 17, True)
    ]
    assert [one["id"] for one in found["flaky"]] == [FLAKY] and len(found["runs"]) == 30
    assert not any(found[key] for key in ("new", "gone", "new_gates", "gone_gates", "notes"))
    assert "worse from run 17" in (tmp_path / "h.md").read_text()


def test_chance_names_no_change(tmp_path: Path) -> None:
    """Each clip is drawn anew in each of 30 runs, twenty times over; one named change in all would be one too many in twenty."""
    rng = random.Random(0)
    named = 0
    for trial in range(20):
        runs = [summary(run, {n for n in range(CLIPS) if rng.random() < 0.3}, set()) for run in range(1, 31)]
        (found,) = histories(read_runs([write(tmp_path / str(trial), runs)])[0])
        named += len(found.changes)
    assert named == 0


def test_a_change_in_the_last_run_is_said_to_be_unconfirmed(tmp_path: Path) -> None:
    runs = [summary(run, {0, 1}, set()) for run in range(1, 11)] + [summary(11, set(range(14)), set())]
    done = in_process("history", write(tmp_path / "runs", runs), "-o", tmp_path / "h.json")
    assert "worse from run 11" in done.stdout and "seen in the last run only" in done.stdout


def test_cases_and_gates_that_come_and_go_are_named(tmp_path: Path) -> None:
    runs = [summary(run, set(), set()) for run in (1, 2, 3)]
    gone = runs[2]["examples"].pop()
    runs[2]["examples"].append({**gone, "id": "other-0000-pgd"})
    runs[2]["gates"].append(gate("invented_rate", 0, 4, attack=None))
    del runs[2]["gates"][1]
    done = in_process("history", write(tmp_path / "runs", runs), "-o", tmp_path / "h.md")
    lines = done.stdout.splitlines()
    assert "new: other-0000-pgd (pgd on model)" in lines and f"gone: {gone['id']} (pgd on model)" in lines
    assert "new gate: invented_rate <= 0.9 (model)" in lines
    assert any(line.startswith("gone gate: wrong_rate <= 0.9 (model): last in run 2") for line in lines)


def test_known_failures_are_told_with_the_run_since_which_they_are_known(tmp_path: Path) -> None:
    known = {"gate": "success_rate <= 0.9", "outcome": "failed", "state": "expected", "told": "expected: gate (old model, T-7)"}
    runs = [summary(run, {0, 1}, set()) | {"expected": [known] if run >= 2 else []} for run in (1, 2, 3)]
    runs[2]["expected"].append({"clip": "clip-03", "outcome": "fooled", "state": "fixed", "told": "fixed: clip clip-03"})
    runs[2]["gates"][0]["verdict"] = "expected"
    done = in_process("history", write(tmp_path / "runs", runs), "-o", tmp_path / "h.html", "-o", tmp_path / "h.json")
    assert "known failure: expected: gate (old model, T-7); known since run 2" in done.stdout.splitlines()
    (found,) = json.loads((tmp_path / "h.json").read_text())["suites"]
    assert [(one["state"], one["since"]) for one in found["expected"]] == [("expected", 2), ("fixed", 3)]
    assert "clip clip-03; known since run 3" in (tmp_path / "h.html").read_text()


def test_bad_summaries_cost_themselves_and_patterns_find_files(tmp_path: Path) -> None:
    folder = write(tmp_path / "runs", [summary(run, set(), set()) for run in (1, 2)])
    (folder / "003.json").write_text('{"format": "voiceattack suite summary 1", "suite": 1}')
    (folder / "004.json").write_text(json.dumps({**summary(4, set(), set()), "shard": "1/2"}))
    (folder / "other.json").write_text("{}")
    done = in_process("history", tmp_path / "runs" / "0*.json", "-o", tmp_path / "h.md")
    assert done.returncode == 0 and done.stderr.count("left out: ") == 2 and "in 2 runs" in done.stdout
    assert "whose gates were not judged" in done.stderr
    with pytest.raises(RunError, match="no such folder or file"):
        read_runs([tmp_path / "nowhere"])
    with pytest.raises(RunError, match="holds no summary"):
        read_runs([tmp_path / "runs" / "other.json"])
    assert in_process("history", folder, "-o", "x.pdf").returncode == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"finished": "0001-01-01T00:00:00+14:00"},
        {"finished": "yesterday"},
        {"gates": [{**gate("success_rate", 1, 2), "n": 10**18}]},
        {"gates": [{**gate("success_rate", 1, 2), "interval": ["a", "b"]}]},
        {"victims": [{"name": 1}]},
        {"examples": {}},
    ],
)
def test_what_cannot_be_is_refused_with_its_place(changes: dict[str, Any], tmp_path: Path) -> None:
    folder = write(tmp_path / "runs", [summary(1, set(), set()), {**summary(2, set(), set()), **changes}])
    runs, notes = read_runs([folder])
    assert len(runs) == len(notes) == 1 and "002.json: is no summary of a suite's run that can be read" in notes[0]


def test_without_fingerprints_nothing_is_called_flaky(tmp_path: Path) -> None:
    runs = [summary(run, {run % 2}, set()) for run in (1, 2, 3)]
    for one in runs:
        del one["victims"], one["finished"]
    (found,) = histories(read_runs([write(tmp_path / "runs", runs)])[0])
    assert not found.flaky and "3 of 3 runs are of a version that wrote no fingerprints" in found.notes[0]


def test_runs_that_a_suite_made_one_changed_on_purpose(tmp_path: Path) -> None:
    noise = [{"attack": "noise", "name": "n", "budget": {"snr_db": 60}}]
    suite = write_suite(tmp_path, attacks=noise)
    for name in ("a", "b"):
        assert run_suite(suite, out=f"runs/{name}")[0] == 0
    suite.write_text(suite.read_text().replace("snr_db: 60", "snr_db: -5").replace("spec: tiny", "spec: tiny\n  version: v2"))
    assert run_suite(suite, out="runs/c")[0] == 0
    done = in_process("history", tmp_path / "runs", "-o", tmp_path / "h.json")
    assert (done.returncode, done.stderr) == (0, "")
    (found,) = json.loads((tmp_path / "h.json").read_text())["suites"]
    rates = [[point["value"] for point in one["points"]] for one in found["gates"]]
    assert rates == [[0.0, 0.0, 1.0]] and not found["flaky"], "another version and another budget explain it"
    marks = [(one["victims"][0]["version"], one["victims"][0]["fingerprint"], one["commit"]) for one in found["runs"]]
    assert marks[0] == marks[1] and [version for version, _, _ in marks] == [None, None, "v2"] and marks[1][1] != marks[2][1]


def test_the_page_in_a_browser(tmp_path: Path) -> None:
    runs = thirty()
    evil = "<img src=x onerror=alert(1)>\u202e" + "long" * 40
    for one in runs:
        one["suite"] = evil
        one["victims"][0]["version"] = "v2 <b>"
    runs[-1]["examples"][0]["id"] = evil
    page_file = tmp_path / "history.html"
    done = in_process("history", write(tmp_path / "runs", runs), "-o", page_file, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "<img" not in page_file.read_text() and "\u202e" not in page_file.read_text()
    with chromium() as page:
        check_page(page, page_file)
        assert "1 of 2 gates got worse" in page.find_element("tag name", "h1").text
        assert [one.text for one in page.find_elements("css selector", ".told .pill")] == ["worse", "flaky", "new", "gone"]
        assert len(page.find_elements("css selector", "svg.over-runs")) == 2
        assert len(page.find_elements("css selector", "svg.over-runs .cut.worse")) == 1
        assert len(page.find_elements("css selector", "table.runs tbody tr")) == 30
