"""An option of a search is one field in one file: added there, it is everywhere."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from speechlike import ROOT, environment, in_process, write_clips

from voiceattack.attacks.options import SearchOptions
from voiceattack.craft.request import AttackRequest
from voiceattack.runs.provenance import run_id

PEEK = """
from voiceattack.attacks import base

class Peek(base.BudgetAttack):
    name = "peek"

    def search(self, problem):
        for row in range(len(problem.clean)):
            problem.note(row, seen=problem.options.max_stages)
        return problem.clean.waveforms.clone()
"""
USE = """
import json, shlex, sys
from voiceattack.attacks import ATTACKS
from voiceattack.cli import main
from voiceattack.runs.provenance import run_id
from voiceattack.craft.replay import replay
from voiceattack.report.commands import make_command
from voiceattack.craft.request import AttackRequest
from voiceattack.runs import Run
from voiceattack.suite.load import parse_suite
from voiceattack.suite.plan import variants
from voiceattack.suite.schema import json_schema
from voiceattack.testing import request_of

ATTACKS.add("peek", "peek:Peek", "notes what it is told")
main(["attack", "--help"])
asked = ["--victim", "tiny", "--attack", "peek", "--snr-db", "20", "--max-stages", "3", "--no-control", "--quiet"]
assert main(["attack", "clip0.wav", *asked, "--out", "first"]) == 0
first = Run.open("first")
(example,) = first.examples()
command = make_command(first, first.results())
words = ["clip0.wav" if word == "INPUT" else word for word in shlex.split(command)[1:-1]]
assert main([*words, "again"]) == 0
entry = "{attack: noise, budget: {snr_db: 20}, max_stages: 2}"
(variant,) = variants(parse_suite("{inputs: [.], victims: [tiny], attacks: [" + entry + "]}"))
found = {
    "request": first.request,
    "recipe": example.recipe,
    "trace": example.trace,
    "command": command,
    "ids": [first.id, Run.open("again").id],
    "replayed": replay(first, example.id).same,
    "suite": variant.request("tiny", 0).identity(),
    "schema": json.loads(json_schema())["$defs"]["AttackEntry"],
    "fixture": request_of({"attack": "noise", "max_stages": 4}, "tiny").identity(),
    "unasked": run_id(AttackRequest(inputs=(), victim="tiny", attack="noise", budget={"snr_db": 20}).identity()),
}
print("FOUND" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a copy of the package says that has the option which CONTRIBUTING.md shows."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "voiceattack", folder / "voiceattack", ignore=shutil.ignore_patterns("__pycache__"))
    *_, field = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)
    options = folder / "voiceattack" / "attacks" / "options.py"
    before, mark, after = options.read_text(encoding="utf-8").partition("\n    @classmethod\n")
    options.write_text(before + field + mark + after, encoding="utf-8")
    (folder / "peek.py").write_text(PEEK)
    write_clips(folder, 1)
    done = subprocess.run(
        [sys.executable, "-c", USE],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**environment(folder), "COLUMNS": "160"},
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def found(printed: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(printed.partition("FOUND")[2])
    return values


def test_a_new_option_is_explained(printed: str) -> None:
    assert re.search(r"--max-stages N +Most stages saved of one clip\.  \[1 or more\]", printed)


def test_a_new_option_reaches_the_search_and_the_record(found: dict[str, Any]) -> None:
    assert [line["seen"] for line in found["trace"] if "seen" in line] == [3]
    assert found["request"]["max_stages"] == found["recipe"]["max_stages"] == 3 and found["replayed"]


def test_a_new_option_is_in_suites_and_fixtures(found: dict[str, Any]) -> None:
    assert found["suite"]["max_stages"] == 2 and found["fixture"]["max_stages"] == 4
    assert found["schema"]["anyOf"][1]["properties"]["max_stages"]["description"] == "Most stages saved of one clip."


def test_a_new_option_is_in_the_printed_command_which_makes_the_same_run(found: dict[str, Any]) -> None:
    assert "--max-stages 3" in found["command"] and found["ids"][0] == found["ids"][1]


def test_runs_that_do_not_ask_for_it_keep_their_ids(found: dict[str, Any]) -> None:
    request = AttackRequest(inputs=(), victim="tiny", attack="noise", budget={"snr_db": 20})
    assert found["unasked"] == run_id(request.identity())


def test_options_are_read_back_from_a_record_as_they_were() -> None:
    for options in (SearchOptions(), SearchOptions(stages_db=2.5, max_queries=7, batch_size=3)):
        record = {**options.recorded(), "seed": 3, "stage_snr_db": 5.0}
        assert SearchOptions.read(json.loads(json.dumps(record))) == options
    assert SearchOptions().recorded() == {"batch_size": 1}
    request = AttackRequest(inputs=(), max_queries=7, seed=5)
    assert request.options == SearchOptions(max_queries=7) and type(request.options) is SearchOptions


@pytest.mark.parametrize("wrong", [{"stages_db": 0}, {"stages_db": 121}, {"max_queries": 0}, {"batch_size": 0}, {"max_query": 3}])
def test_options_out_of_range_or_unknown_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SearchOptions(**wrong)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--stages", "121"), "--stages: input should be less than or equal to 120, got 121.0"),
        (("--max-queries", "0"), "Invalid value for '--max-queries'"),
        (("--batch-size", "0"), "Invalid value for '--batch-size'"),
    ],
)
def test_the_command_line_names_the_option_that_is_wrong(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    (clip,) = write_clips(tmp_path, 1)
    done = in_process("attack", clip, "--victim", "tiny", *words, "--out", tmp_path / "run")
    assert done.returncode == 2 and told in done.stderr and not (tmp_path / "run").exists(), done.stderr
