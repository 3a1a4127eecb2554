"""``voiceattack run`` and ``merge`` on the toy victim: exit codes, incremental work, limits, shards, outputs."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import junitparser
import pytest
import yaml
from speechlike import in_process, voiceattack
from suite_fixture import run, summary, write_suite

from voiceattack.audio import clips as audio
from voiceattack.progress import Progress
from voiceattack.suite.execute import Teller, execute
from voiceattack.suite.load import load_suite

LOUD = {"attack": "noise", "name": "loud", "budget": {"snr_db": -5}}
QUIET = {"attack": "noise", "name": "quiet", "budget": {"snr_db": 90}}


def test_it_tells_which_cell_of_how_many_is_at_hand(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, attacks=[LOUD, QUIET])
    tasks: list[str] = []
    told: list[str] = []

    def on_task(task: str) -> Progress:
        tasks.append(task)
        return lambda done, of, label: told.append(label)

    execute(load_suite(suite), tmp_path, tmp_path / "out", tell=Teller(on_task))
    expected = [f"{doing} {cell}" for cell in ("1 of 2: loud", "2 of 2: quiet") for doing in ("crafting", "hearing")]
    assert [task.partition(" on ")[0] for task in tasks[1:]] == expected and tasks[0].startswith("hearing clean clips")
    for words in ("clip 2 of 2: ", "measuring 2 of 2: ", " heard 4 of 4 files"):
        assert any(words in label for label in told), told


def test_gates_that_hold_exit_0_and_a_second_run_makes_nothing(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, outputs=["ci/junit.xml"])
    code, text, errors = run(suite, "-o", tmp_path / "gates.csv")
    assert (code, errors) == (0, ""), text
    assert "2 artefacts crafted, 0 from before" in text and "PASSED" in text
    for name in ("out/summary.json", "out/junit.xml", "out/report.md", "out/results.csv", "ci/junit.xml", "gates.csv"):
        assert (tmp_path / name).exists() and str(tmp_path / name) in text, name
    first = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "cells").rglob("*")}
    code, text, _ = run(suite)
    assert code == 0 and "0 artefacts crafted, 2 from before" in text
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "cells").rglob("*")} == first
    assert run(suite, "--quiet") == (0, "", "")


def test_a_changed_parameter_crafts_only_what_depends_on_it(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, attacks=[LOUD, QUIET])
    assert "4 artefacts crafted" in run(suite)[1]
    asked = yaml.safe_load(suite.read_text())
    asked["attacks"][0]["budget"]["snr_db"] = -4
    suite.write_text(yaml.safe_dump(asked))
    text = run(suite)[1]
    assert "2 artefacts crafted, 2 from before" in text and text.count("stale: ") == 1
    assert "stale" not in run(suite, "--prune")[1] and len(list((tmp_path / "out" / "cells").iterdir())) == 2
    # A clip more is made, a clip less is left out, and a reference written later counts without crafting.
    asked["inputs"] = asked["inputs"][:1]
    suite.write_text(yaml.safe_dump(asked))
    assert "0 artefacts crafted, 2 from before" in run(suite)[1] and len(summary(suite)["examples"]) == 2
    manifest = tmp_path / "in" / "m.jsonl"
    manifest.write_text(json.dumps({"audio_filepath": "clip0.wav", "text": "hello there"}) + "\n")
    asked["inputs"] = [{"path": "in/m.jsonl", "tags": ["speech"]}]
    suite.write_text(yaml.safe_dump(asked))
    assert "0 artefacts crafted, 2 from before" in run(suite)[1]
    assert {example["reference"] for example in summary(suite)["examples"]} == {"hello there"}


def test_a_victim_that_is_another_is_heard_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "suite_ear.py"
    body = "def make():\n    def hear(waveform, rate):\n        return {text!r}\n    return hear\n"
    module.write_text(body.format(text="one"))
    victims = [{"name": "deployed", "spec": "python:suite_ear:make", "crafted_on": "tiny"}]
    suite = write_suite(tmp_path, victims=victims, gates=["error_rate == 0"])
    assert run(suite, "--trust")[0] == 0 and {one["hypothesis"] for one in summary(suite)["examples"]} == {"one"}
    monkeypatch.delitem(__import__("sys").modules, "suite_ear")
    module.write_text(body.format(text="another"))
    code, text, _ = run(suite, "--trust")
    assert code == 0 and "0 artefacts crafted, 2 from before" in text, "crafted on a victim that is the same"
    assert {one["hypothesis"] for one in summary(suite)["examples"]} == {"another"}


def test_a_failed_gate_is_exit_1_and_names_figure_interval_and_worst_example(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, attacks=[LOUD, QUIET], gates=["success_rate <= 0.2", "success_rate <= 0.2 at snr_db >= 30"])
    code, text, _ = run(suite)
    assert code == 1
    assert "FAILED     success_rate <= 0.2 (toy, loud): success_rate is 1 [0.342, 1] over 2 clips" in text
    assert "PASSED     success_rate <= 0.2 (toy, quiet)" in text and "suite suite: failed" in text
    assert "at snr_db >= 30 (toy, quiet)" in text and "at snr_db >= 30 (toy, loud)" not in text
    worst = summary(suite)["gates"][0]["worst"]
    assert worst["heard"] != worst["heard_clean"] and audio.load(tmp_path / "out" / worst["file"]).numel() > 0
    assert f"play {tmp_path / 'out' / worst['file']}" in text


def test_critical_terms_have_a_gate(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, 1, attacks=[LOUD])
    assert run(suite)[0] == 0
    said = summary(suite)["examples"][0]["reference"]
    gates = ["critical_term_error_rate <= 0.05", "action_error_rate == 0"]
    asked = yaml.safe_load(suite.read_text()) | {"critical_terms": [said.split()[0], "not said"], "gates": gates}
    suite.write_text(yaml.safe_dump(asked))
    code, text, _ = run(suite)
    terms, actions = summary(suite)["gates"]
    assert code == 1 and terms["verdict"] == "failed" and terms["value"] == 1 and "0 artefacts crafted" in text
    assert actions["verdict"] == "error" and "takes no action" in actions["reason"]


def test_the_interval_decides_when_it_is_asked_to(tmp_path: Path) -> None:
    gates = ["success_rate <= 0.5", {"gate": "success_rate <= 0.5", "decides": "interval"}]
    suite = write_suite(tmp_path, attacks=[QUIET], gates=gates)
    assert run(suite)[0] == 1
    estimate, interval = summary(suite)["gates"]
    assert (estimate["verdict"], interval["verdict"]) == ("passed", "failed") and interval["interval"][1] > 0.5
    assert "not its whole interval" in interval["reason"]


def test_a_gate_with_nothing_to_judge_is_an_error_and_exit_2(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, attacks=[LOUD], gates=["success_rate <= 1 at snr_db >= 30"])
    code, text, errors = run(suite)
    assert code == 2 and "nothing was tried there" in text and "could not be judged" in errors
    assert summary(suite)["gates"][0]["verdict"] == "error"


def test_a_gate_whose_verdict_differs_between_seeds_is_unreliable(tmp_path: Path) -> None:
    # Noise near the level at which the toy begins to mishear: some seeds fool more clips than others.
    edge = {"attack": "noise", "name": "edge", "budget": {"snr_db": 14}}
    suite = write_suite(tmp_path, 4, attacks=[edge], repeat=6, gates=["success_rate <= 1"])
    assert run(suite)[0] == 0
    values = sorted(seed["value"] for seed in summary(suite)["gates"][0]["seeds"])
    assert values[0] < values[-1], values
    limit = (values[0] + values[-1]) / 2
    asked = yaml.safe_load(suite.read_text()) | {"gates": [f"success_rate <= {limit}"]}
    suite.write_text(yaml.safe_dump(asked))
    code, text, _ = run(suite)
    gate = summary(suite)["gates"][0]
    assert code == 1 and gate["verdict"] == "unreliable" and "of 6 seeds hold it" in gate["reason"] and "UNRELIABLE" in text
    assert {seed["verdict"] for seed in gate["seeds"]} == {"passed", "failed"}
    names = [suite.name for suite in junitparser.JUnitXml.fromfile(str(tmp_path / "out" / "junit.xml"))]
    assert "gates (unreliable)" in names
    suite.write_text(yaml.safe_dump({**asked, "unreliable": "pass"}))
    assert run(suite)[0] == 0


def test_a_limit_stops_the_run_and_the_next_goes_on(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, 3, limits={"queries": 1})
    code, text, errors = run(suite)
    assert code == 2 and "limit of 1 queries" in errors and "ERROR" in text
    assert "not all was done" in summary(suite)["gates"][0]["reason"]
    suite.write_text(suite.read_text().replace("queries: 1", "queries: 1000"))
    code, text, _ = run(suite)
    assert code == 0 and ("1 from before" in text or "2 from before" in text)


def test_an_attack_may_ask_so_much_of_a_victim_and_no_more(tmp_path: Path) -> None:
    entry = {"attack": "tf-evolution", "params": {"queries": 30}, "max_queries": 3}
    suite = write_suite(tmp_path, 1, attacks=[entry])
    assert run(suite)[0] == 0
    (examples,) = (tmp_path / "out" / "cells").glob("*/examples.jsonl")
    queries = [line["queries"] for line in map(json.loads, examples.read_text().splitlines()) if not line["control_for"]]
    assert queries == [3]


def test_a_dry_run_tells_the_cost_and_writes_nothing(tmp_path: Path) -> None:
    suite = write_suite(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    code, text, errors = run(suite, "--dry-run")
    assert (code, errors) == (0, "") and "2 of 2 artefacts to craft, at most 6 steps" in text and "nothing was written" in text
    assert sorted(tmp_path.rglob("*")) == before
    run(suite)
    assert "all 2 artefacts are there" in run(suite, "--dry-run")[1]


def test_shards_merge_into_what_one_run_gives(tmp_path: Path) -> None:
    changes = {"attacks": [LOUD, QUIET], "inputs": None, "gates": ["success_rate <= 0.2", "false_transcript_rate <= 1"]}
    suite = write_suite(tmp_path, 3, **{key: value for key, value in changes.items() if value})
    asked = yaml.safe_load(suite.read_text())
    asked["inputs"].append({"generate": "no-speech", "seconds": 1, "kinds": ["silence", "white-noise"]})
    suite.write_text(yaml.safe_dump(asked))
    assert run(suite, out="whole")[0] == 1
    for part in ("1/2", "2/2"):
        code, text, _ = run(suite, "--shard", part, out=f"part{part[0]}")
        assert code == 0 and f"shard {part}: gates are judged by voiceattack merge" in text
        assert len(summary(suite, f"part{part[0]}")["examples"]) in (2, 4)
    cut = in_process("merge", suite, tmp_path / "part1", "--out", tmp_path / "cut")
    assert cut.returncode == 2 and "missing shard" in cut.stderr
    done = in_process("merge", suite, tmp_path / "part1", tmp_path / "part2", "--out", tmp_path / "joined")
    assert done.returncode == 1, done.stderr
    whole, joined = summary(suite, "whole"), summary(suite, "joined")
    for one in (*joined["examples"], *whole["examples"], *joined["clean"], *whole["clean"]):
        del one["seconds"]  # each was made on its own
    for key in ("gates", "examples", "clean"):
        assert sorted(map(json.dumps, joined[key])) == sorted(map(json.dumps, whole[key])), key
    assert "0 artefacts crafted, 6 from before" in run(suite, out="joined")[1]


def test_bad_inputs_cost_themselves_alone(tmp_path: Path) -> None:
    suite = write_suite(tmp_path)
    (tmp_path / "in" / "broken.wav").write_bytes(b"RIFF")
    asked = yaml.safe_load(suite.read_text())
    (tmp_path / "in" / "m.jsonl").write_text('{"audio_filepath": "none.wav"}\n')
    asked["inputs"] += ["in/broken.wav", "in/m.jsonl"]
    suite.write_text(yaml.safe_dump(asked))
    code, text, errors = run(suite)
    assert "none.wav" in errors and "2 artefacts crafted" in text
    assert {one["input"] for one in summary(suite)["unusable"]} == {f"{tmp_path / 'in' / 'm.jsonl'}:1"}
    broken = [one for one in summary(suite)["clean"] if "broken" in one["id"]]
    assert code == 0 and broken[0]["error"]


def test_a_gate_whose_worst_example_left_no_file_tells_the_reason_instead(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, count=1, gates=["error_rate == 0"])
    (tmp_path / "in" / "broken.wav").write_bytes(b"RIFF")
    asked = yaml.safe_load(suite.read_text())
    asked["inputs"].append("in/broken.wav")
    suite.write_text(yaml.safe_dump(asked))
    code, text, errors = run(suite)
    assert code == 1 and "unexpected" not in errors and "suite suite: failed" in text
    worst = summary(suite)["gates"][0]["worst"]
    assert worst["file"] is None and "not audio" in worst["error"]
    assert f"worst: {worst['id']}: {worst['error']}" in text
    report = (tmp_path / "out" / "report.md").read_text()
    failure = ET.parse(tmp_path / "out" / "junit.xml").find("testsuite[@name='gates']/testcase/failure")
    assert "error: " in report.split("## Worst examples")[1]
    assert failure is not None and failure.text == f"{worst['id']} (toy, pgd)\nerror:       {worst['error']}"


def test_what_cannot_run_is_exit_2_on_one_line(tmp_path: Path) -> None:
    suite = write_suite(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("mine")
    cases = {
        "holds other files": run(suite, out="other"),
        "names no format": run(suite, "-o", "x.xls"),
        "must read I/N": run(suite, "--shard", "3/2"),
        "cannot be read": run(tmp_path / "none.yaml"),
    }
    for words, (code, text, errors) in cases.items():
        assert (code, text) == (2, "") and words in errors and len(errors.splitlines()) == 1, errors


def test_markdown_goes_to_the_step_summary_and_csv_has_a_line_an_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "step.md"))
    (tmp_path / "step.md").write_text("before\n")
    suite = write_suite(tmp_path, attacks=[LOUD], gates=["success_rate <= 0.2"], name="a|b <script>")
    run(suite)
    text = (tmp_path / "step.md").read_text()
    assert text.startswith("before\n") and "❌ failed" in text and "## Worst examples" in text
    assert (
        "<script>" not in text and text.removeprefix("before\n").strip() == (tmp_path / "out" / "report.md").read_text().strip()
    )
    with (tmp_path / "out" / "results.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["outcome"] for row in rows] == ["fooled", "fooled", "clean", "clean"]


def test_reports_of_cells_are_written_once(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, 1, attacks=[LOUD], reports=["json"])
    assert run(suite)[0] == 0
    (path,) = (tmp_path / "out" / name for name in summary(suite)["reports"])
    before = path.stat().st_mtime_ns
    assert json.loads(path.read_text())["results"] and run(suite)[0] == 0 and path.stat().st_mtime_ns == before
    suite.write_text(suite.read_text().replace("- json", "- jsn"))
    code, _, errors = run(suite)
    assert code == 2 and "did you mean 'json'?" in errors


def test_from_a_shell_the_exit_code_and_output_are_the_same(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, attacks=[LOUD], gates=["success_rate <= 0.2"])
    done = voiceattack("run", suite, "--out", tmp_path / "out")
    assert done.returncode == 1 and done.stderr == "voiceattack: loading ...\n" and "FAILED" in done.stdout
