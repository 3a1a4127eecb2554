"""Suite files: what they may say, and how a mistake in one is told."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from speechlike import in_process, write_clips
from suite_fixture import basic

from voiceattack.errors import SpecError, UnknownNameError
from voiceattack.suite.gates import parse_gate
from voiceattack.suite.load import load_suite, parse_suite
from voiceattack.suite.plan import plan, variants
from voiceattack.suite.schema import SCHEMA_FILE, GateEntry, Suite, json_schema
from voiceattack.victims import VICTIMS, differentiates, load_victim


def test_the_schema_file_is_the_code_s_and_agrees_with_it() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == json_schema(), "write json_schema() to voiceattack/suite/suite.schema.json"
    validator = jsonschema.Draft202012Validator(json.loads(json_schema()))
    good = basic(["a.wav"])
    assert not list(validator.iter_errors(good)) and Suite.model_validate(good)
    short = {"inputs": ["a.wav"], "victims": ["tiny"], "attacks": ["noise"], "gates": ["wer <= 1"]}
    assert not list(validator.iter_errors(short)) and Suite.model_validate(short).attacks[0].name == "noise"
    assert list(validator.iter_errors({**good, "sead": 1})) and list(validator.iter_errors({**good, "inputs": []}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inputs: [a]\nvictims: [tiny]\nattaks: []\n", "s.yaml:3: attaks: unknown key (did you mean 'attacks'?); keys: version"),
        (
            "inputs: [a]\nvictims: [tiny]\nattacks:\n- attack: pgd\n  parms: {}\n",
            "s.yaml:5: attacks[0].parms: unknown key (did you mean 'params'?)",
        ),
        ("inputs: [a]\nvictims: [tiny]\nseed: -1\n", "s.yaml:3: seed: input should be greater than or equal to 0, got -1"),
        ("inputs: [a]\ninputs: [b]\nvictims: [tiny]\n", "s.yaml:2: key 'inputs' is given twice"),
        ("inputs: [{path: a, generate: no-speech}]\nvictims: [tiny]\n", "s.yaml:1: inputs[0]: give either 'path' or 'generate'"),
        ("victims: [tiny]\n", "s.yaml:1: inputs: is missing"),
        ("inputs: [a\n", "s.yaml:2: no valid YAML"),
        ("- a\n", "s.yaml: holds no keys"),
        ("inputs: [a]\nvictims: [tiny, tiny]\n", "two victims are named 'tiny'"),
        ("inputs: !!python/object/apply:os.getcwd []\nvictims: [tiny]\n", "s.yaml:1: no valid YAML"),
    ],
)
def test_mistakes_name_the_line_and_the_nearest_key(text: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_suite(text, "s.yaml")
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attacks": [{"attack": "pdg"}]}, "did you mean 'pgd'?"),
        (
            {"attacks": [{"attack": "pgd", "params": {"stepz": 1}, "budget": {"snr_db": 9}}]},
            "unknown parameter 'stepz' (did you mean 'steps'?)",
        ),
        (
            {"attacks": [{"attack": "pgd", "params": {"snr_db": 9}}]},
            "snr_db is a limit, no parameter; write  budget: {snr_db: 9}",
        ),
        ({"attacks": [{"attack": "pgd", "budget": {"snr": 9}}]}, "unknown limit 'snr' (did you mean 'snr_db'?)"),
        ({"attacks": [{"attack": "pgd"}]}, "needs a budget"),
        ({"attacks": [{"attack": "pgd", "params": {"steps": 0}, "budget": {"snr_db": 9}}]}, "greater than or equal to 1"),
        ({"attacks": [{"attack": "cw", "objective": "targeted"}]}, "needs a target text"),
        (
            {"attacks": [{"attack": "noise", "budget": {"snr_db": 9}, "victims": ["toys"]}]},
            "names victim 'toys' (did you mean 'toy'?)",
        ),
        ({"gates": [{"gate": "wer <= 1", "attack": "pgdd"}]}, "names attack 'pgdd' (did you mean 'pgd'?)"),
        ({"gates": [{"gate": "wer <= 1", "tag": "speach"}]}, "names tag 'speach' (did you mean 'speech'?)"),
    ],
)
def test_unknown_names_inside_are_told_with_the_nearest(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        plan(Suite.model_validate(basic(["a.wav"], **changes)), [])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ("success_rat <= 0.2", "unknown figure 'success_rat' (did you mean 'success_rate'?)"),
        ("success_rate = 0.2", "is no comparison"),
        ("success_rate <= lots", "is no comparison"),
        ("success_rate <= 0.2 at snr >= 30", "unknown size 'snr' (did you mean 'snr_db'?)"),
        ("wer_clean <= 0.1 at snr_db >= 30", "takes no 'at'"),
        ("max_snr_db_to_fool <= 30 at snr_db >= 20", "takes no 'at'"),
        ("success_rate <= 0.2 at snr_db >= 30 or pesq > 3", "is no comparison"),
    ],
)
def test_gates_that_cannot_be_read(gate: str, message: str) -> None:
    with pytest.raises((SpecError, UnknownNameError)) as caught:
        parse_gate(GateEntry(gate=gate))
    assert message in str(caught.value)


def test_gates_are_read() -> None:
    gate = parse_gate(GateEntry(gate="success_rate <= 20% at snr_db >= 30 and pesq > 3.5, interval decides"))
    assert (gate.bound.name, gate.bound.sign, gate.bound.limit, gate.decides) == ("success_rate", "<=", 0.2, "interval")
    assert [str(bound) for bound in gate.at] == ["snr_db >= 30", "pesq > 3.5"]
    assert "max_snr_db_to_fool <= 28" in parse_gate(GateEntry(gate="min_snr_db_to_fool >= 28")).hint
    assert parse_gate(GateEntry(gate="wer_clean <= 0.1")).hint == ""


def test_a_grid_is_each_with_each() -> None:
    attack = {"attack": "pgd", "budget": {"linf": 0.1}, "grid": {"steps": [1, 2], "snr_db": [20, 30]}}
    found = variants(Suite.model_validate(basic(["a.wav"], attacks=[attack])))
    assert [one.label for one in found] == [f"pgd[steps={s},snr_db={d}]" for s in (1, 2) for d in (20, 30)]
    assert found[1].params == {"steps": 1} and found[1].budget == {"linf": 0.1, "snr_db": 30}


def test_init_writes_a_suite_that_is_valid_and_says_what_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clips(tmp_path / "recordings", 2)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "run.json").write_text("{}")
    write_clips(tmp_path / "old", 1)
    monkeypatch.chdir(tmp_path)
    done = in_process("init", "--victim", "tiny")
    assert (done.returncode, done.stderr) == (0, "") and "inputs: recordings;" in done.stdout
    text = (tmp_path / "suite.yaml").read_text()
    assert text.splitlines()[0] == "# yaml-language-server: $schema=./suite.schema.json"
    assert (tmp_path / "suite.schema.json").read_text() == json_schema() and "2 clips" in text
    suite = load_suite(tmp_path / "suite.yaml")
    jsonschema.validate(yaml.safe_load(text), json.loads(json_schema()))
    assert suite.inputs[0].path == "recordings" and len(plan(suite, [])) == 0 and len(suite.gates) == 5
    assert all(parse_gate(gate).hint == "" for gate in suite.gates)
    assert "needs the words said" in text and "\n  # - wer_clean <= 0.10\n" in text, (
        "none is written down here, so the gate could not be judged"
    )
    again = in_process("init")
    assert again.returncode == 2 and "exists already" in again.stderr
    assert in_process("init", "--force", "--quiet").stdout == ""


def test_a_gate_that_the_bundled_victim_cannot_hold_says_so_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for victim, off, gates in (("whisper-tiny.en", "# ", 5), ("tiny", "", 6)):
        assert in_process("init", "--victim", victim, "--force").returncode == 0
        text = (tmp_path / "suite.yaml").read_text()
        assert f"\n  {off}- false_transcript_rate <= 0.20" in text and "\n  - wer_clean <= 0.10\n" in text
        assert len(load_suite(tmp_path / "suite.yaml").gates) == gates
        assert ("The run fails, as it should." in text) is bool(off)


def test_init_for_a_victim_without_gradients_writes_a_suite_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Crafted on the bundled Whisper; here on the toy, which is quicker."""
    write_clips(tmp_path / "in", 5)
    (tmp_path / "ear.py").write_text("print('hello there')")
    monkeypatch.chdir(tmp_path)
    spec = f"command:{sys.executable} ear.py {{audio}}"
    assert in_process("init", "in", "--victim", spec).returncode == 0
    text = (tmp_path / "suite.yaml").read_text()
    assert "\n    crafted_on: whisper-tiny.en  # it has no gradients" in text
    (tmp_path / "suite.yaml").write_text(text.replace("crafted_on: whisper-tiny.en", "crafted_on: tiny"))
    done = in_process("run", "suite.yaml", "--trust")
    verdicts = {line.split()[1]: line.split()[0] for line in done.stdout.splitlines() if line.startswith(("PASSED", "FAILED"))}
    assert (done.returncode, verdicts.pop("false_transcript_rate")) == (1, "FAILED"), done.stderr
    assert set(verdicts.values()) == {"PASSED"} and "success_rate" in verdicts


def test_a_registration_says_of_a_victim_whether_it_has_gradients() -> None:
    for name in VICTIMS.names():
        entry = VICTIMS.entry(name)
        assert entry.differentiable is ("differentiable" in entry.summary), name
    assert differentiates(load_victim("tiny")) and VICTIMS.entry("tiny").differentiable


def test_init_without_inputs_takes_the_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "samples" in in_process("init").stdout
    missing = in_process("init", "nothing", "--out", "b.yaml")
    assert missing.returncode == 2 and "nothing" in missing.stderr and not (tmp_path / "b.yaml").exists()
