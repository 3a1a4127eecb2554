"""Suite files: what they may say, and how a mistake in one is told."""

from __future__ import annotations

import json

import jsonschema
import pytest
from suite_fixture import basic

from voiceattack.errors import SpecError, UnknownNameError
from voiceattack.suite.gates import parse_gate
from voiceattack.suite.load import parse_suite
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


def test_a_registration_says_of_a_victim_whether_it_has_gradients() -> None:
    for name in VICTIMS.names():
        entry = VICTIMS.entry(name)
        assert entry.differentiable is ("differentiable" in entry.summary), name
    assert differentiates(load_victim("tiny")) and VICTIMS.entry("tiny").differentiable


def test_a_victim_is_called_so_and_by_the_older_word() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(json_schema()))
    for entry in ({"victim": "tiny"}, {"spec": "tiny"}, "tiny"):
        given = basic(["a.wav"], victims=[entry])
        assert not list(validator.iter_errors(given))
        (victim,) = Suite.model_validate(given).victims
        assert (victim.victim, victim.spec, victim.name) == ("tiny", "tiny", "tiny")
    both = "inputs: [a]\nvictims:\n- victim: tiny\n  spec: tiny\n"
    with pytest.raises(SpecError, match=r"s.yaml:3: victims\[0\]: 'spec' is the older word for 'victim'; give one of them"):
        parse_suite(both, "s.yaml")
    assert list(validator.iter_errors(basic(["a.wav"], victims=[{"victim": "tiny", "spec": "tiny"}])))
    with pytest.raises(SpecError, match=r"victims\[0\].victim: is missing"):
        parse_suite("inputs: [a]\nvictims: [{name: x}]\n", "s.yaml")
