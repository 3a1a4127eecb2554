"""``x-`` keys, anchors and ``${NAME}`` in suites; YAML that is no suite."""

from __future__ import annotations

from pathlib import Path

import pytest
from speechlike import in_process
from suite_fixture import run, write_suite

from voiceattack.errors import SpecError
from voiceattack.suite.load import load_suite, parse_suite
from voiceattack.suite.plan import variants

TENS = (f"{c}: &{c} [{', '.join(['*' + p] * 10)}]\n" for p, c in zip("abcde", "bcdef", strict=True))
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(TENS)
BASE = "inputs: [a]\nvictims: [tiny]\n"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACE", "/data")
    monkeypatch.setenv("MY_TOKEN", "s3cret")
    monkeypatch.delenv("GONE", raising=False)


def test_keys_for_anchors_are_free() -> None:
    suite = parse_suite("x-quick: &quick {steps: 3}\nx-2: [1]\n" + BASE + "attacks: [{attack: noise, budget: {snr_db: 3}}]\n")
    assert suite.attacks[0].attack == "noise"
    quick = "x-q: &q {steps: 3}\n" + BASE + "attacks: [{attack: pgd, params: *q}, {attack: pgd, name: b, params: {<<: *q}}]\n"
    assert [entry.params for entry in parse_suite(quick).attacks] == [{"steps": 3}] * 2
    with pytest.raises(SpecError, match="unknown key"):
        parse_suite(BASE + "y-quick: 1\n")


def test_declared_variables_are_put_in_and_told() -> None:
    suite = parse_suite("env: [PLACE]\nname: '$$5 ${PLACE}'\ninputs: ['${PLACE}/x']\nvictims: ['hf:${PLACE}/m']\n")
    assert (suite.name, suite.inputs[0].path, suite.victims[0].spec) == ("$5 /data", "/data/x", "hf:/data/m")
    assert suite.variables_in_specs == {"victims[0]": ["PLACE"]}
    assert parse_suite("env: [PLACE]\n" + BASE).variables_in_specs == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("inputs: ['${PLACE}/x']\nvictims: [tiny]\n", ("suite:1: inputs[0]", "PLACE is not declared", "env: [PLACE]")),
        ("env: [GONE]\ninputs: ['${GONE}']\nvictims: [tiny]\n", ("suite:2: inputs[0]", "GONE is not set")),
        (
            "env: [MY_TOKEN]\ninputs: [a]\nvictims: ['openai+http://x/v1?k=${MY_TOKEN}']\n",
            ("MY_TOKEN", "sounds like a key", "key_env"),
        ),
        (
            "env: [MY_TOKEN]\n" + BASE + "attacks: [{attack: pgd, params: {x: '${MY_TOKEN}'}}]\n",
            ("MY_TOKEN", "sounds like a key"),
        ),
        ("inputs: [a]\nvictims: ['openai+http://x/${MY_TOKEN}']\n", ("MY_TOKEN is not declared",)),
        ("inputs: ['${PLACE:-x}']\nvictims: [tiny]\n", ("names no variable", "$$")),
        ("inputs: ['${PLACE']\nvictims: [tiny]\n", ("names no variable",)),
        ("env: PLACE\n" + BASE, ("env",)),
    ],
)
def test_other_variables_are_refused_by_name(text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(SpecError) as caught:
        parse_suite(text)
    assert all(word in str(caught.value) for word in words), caught.value
    assert "s3cret" not in str(caught.value)


def test_a_suite_with_variables_runs_and_a_dry_run_tells_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = write_suite(tmp_path, 1)
    monkeypatch.setenv("CLIPS", str(tmp_path / "in"))
    text = suite.read_text().replace("in/clip0.wav", "${CLIPS}/clip0.wav").replace("tiny", "${WHO}")
    suite.write_text("\ufeffenv: [CLIPS, WHO]\n" + text, encoding="utf-8")
    monkeypatch.setenv("WHO", "tiny")
    dry = in_process("run", suite, "--dry-run", "--out", tmp_path / "out")
    assert dry.returncode == 0 and "victims[0].spec holds what the environment says of WHO" in dry.stdout, (
        dry.stdout,
        dry.stderr,
    )
    code, _, stderr = run(suite)
    assert code == 0, stderr


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("? [a]\n: b\n", "suite:1: a key is a list or a mapping"),
        ("a: 1\nb:\n  ? {c: d}\n  : e\n", "suite:3: a key is a list or a mapping"),
        ("a: 1\na: 2\n", "suite:2: key 'a' is given twice"),
        ("a: &a [*a]\n", "suite:1: an anchor holds itself"),
        (BOMB, "more than 100000 values"),
        ("a: 2024-13-45\n", "suite:1: holds a value that cannot be read"),
        ("a: !!timestamp x\n", "cannot be read"),
        ("a: !!bool x\n", "cannot be read"),
        ("seed: " + "9" * 5000, "cannot be read"),
        ('a: "\\ud800"\n', "suite:1: holds half of a surrogate pair"),
        ("a: !!python/object/apply:os.system [x]\n", "no valid YAML"),
        ("[" * 3000, "nested too deep"),
        ("\0", "no valid YAML"),
        ("", "holds no keys"),
        (BASE + "attacks: [{attack: pgd, params: {x: .nan}}]\n", "suite:3: attacks[0].params: x: must be a finite number"),
        (
            BASE + "attacks: [{attack: pgd, grid: {steps: [2024-01-01]}}]\n",
            "suite:3: attacks[0].grid: steps: must be a finite number, text",
        ),
        (BASE + "attacks: [{attack: pgd, wer_threshold: .inf}]\n", "wer_threshold"),
    ],
)
def test_yaml_that_is_no_suite_is_one_line(text: str, word: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_suite(text)
    assert word in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 400, caught.value


def test_a_grid_that_nobody_could_run_is_refused() -> None:
    values = str(list(range(1, 40)))
    suite = parse_suite(
        BASE + f"attacks: [{{attack: pgd, budget: {{snr_db: 9}}, grid: {{steps: {values}, check_every: {values}}}}}]\n"
    )
    with pytest.raises(SpecError, match="1521 combinations, 1000 at most"):
        variants(suite)


def test_a_suite_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_bytes(BASE.encode("utf-16"))
    with pytest.raises(SpecError, match=r"suite\.yaml: cannot be read"):
        load_suite(path)
