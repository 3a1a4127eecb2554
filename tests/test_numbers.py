"""Numbers that are none, or that nothing can be done with, in every option of every command and in suites: plain usage errors."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from speechlike import in_process, write_clips

from voiceattack.cli import app
from voiceattack.cli.console import parse_params
from voiceattack.errors import SpecError
from voiceattack.numbers import number, numbers

COMMANDS = {
    str(command.name): command.callback.late() if hasattr(command.callback, "late") else command.callback
    for command in app.registered_commands
}
WRONG = ("nan", "-inf", "1e999", "1" + "0" * 400)
# Numbers in texts, which no type of the command line knows of.
IN_TEXTS = {
    ("attack", "--band"): ("nan-inf", "0-1e999"),
    ("attack", "--window"): ("nan-inf",),
    ("attack", "--param"): (
        "steps=NaN",
        "steps=1e999",
        "step_size=nan",
        "step_size=Infinity",
        "steps=" + "1" * 400,
        "steps=[NaN]",
    ),
    ("fit", "--param"): ("lr=nan", "crop_seconds=Infinity", "gain_db=1e999", "validation=nan"),
    ("corruptions", "--severities"): ("nan", "0", "-1", "1" * 400),
    ("corruptions", "--param"): ("loss=NaN",),
    ("wakeword-sweep", "--snr-db"): ("nan", "inf", "clean,1e999", "-1e308", ""),
    ("wakeword-sweep", "--thresholds"): ("nan", "inf", "0.5,-1", "2"),
    ("confusions", "--speeds"): ("nan", "0", "-1", "inf", "1e999"),
    ("confusions", "--snr-db"): ("nan", "inf", "1e999"),
    ("speak", "--speaker"): ("hibari?speed=nan", "hibari?pitch=inf", "hibari?speed=0", "hibari?seed=-1", "hibari?seed=1e999"),
    ("text", "--param"): ("rate=nan",),
    ("export", "--splits"): ("train=nan", "train=inf", "train=1e999"),
    ("compare", "--fail-on"): ("success_rate rises by nan", "wer > inf"),
}
REQUIRED = {
    "attack": ("--victim", "tiny", "--no-report"),
    "fit": ("--victim", "tiny"),
    "corruptions": ("--victim", "tiny"),
    "wakeword-sweep": ("--victim", "tiny"),
    "confusions": ("--victim", "tiny"),
    "text": ("--perturbation", "typos"),
    "export": ("--format", "nemo", "--out", "out"),
}
INPUT = {"demo": 0, "doctor": 0, "init": 0, "replay": 2, "compare": 2, "bless": 2, "merge": 2}


def options_with_numbers() -> Iterator[Any]:
    for name, command in COMMANDS.items():
        declared = inspect.signature(command).parameters
        for parameter, kind in get_type_hints(command).items():
            if {kind, *get_args(kind)} & {int, float}:
                named = getattr(declared[parameter].default, "param_decls", None) or [f"--{parameter.replace('_', '-')}"]
                option = named[0]
                yield pytest.param(name, option, WRONG, id=f"{name} {option}")
    for (name, option), values in IN_TEXTS.items():
        yield pytest.param(name, option, values, id=f"{name} {option} as text")


def test_the_commands_have_options_with_numbers() -> None:
    found = [case.id for case in options_with_numbers()]
    assert "attack --snr-db" in found and "fit --steps" in found and "text --max-words" in found and len(found) > 50
    assert all(name in COMMANDS for name, _ in IN_TEXTS)


@pytest.mark.parametrize(("command", "option", "values"), list(options_with_numbers()))
def test_what_is_no_number_to_work_with_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, option: str, values: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    clip = write_clips(tmp_path / "in", 1)[0]
    places = [clip] * INPUT.get(command, 1)
    for value in values:
        done = in_process(command, *places, *REQUIRED.get(command, ()), f"{option}={value}")
        assert done.returncode == 2, (value, done.stdout, done.stderr)
        assert "unexpected" not in done.stderr and "Traceback" not in done.stderr, (value, done.stderr)
        lines = done.stderr.splitlines()
        # A warning, of a black box say, may come before; the error is about the option and names no run or file.
        assert lines[-1].startswith("voiceattack: error: "), (value, lines)
        assert option.strip("-").replace("-", "_") in lines[-1].replace("-", "_"), (value, lines)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize(("command", "option", "values"), [case for case in options_with_numbers() if "text" not in case.id])
def test_zero_and_less_are_taken_or_refused_but_never_unexpected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, option: str, values: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    dry = ["--dry-run"] if "dry_run" in get_type_hints(COMMANDS[command]) else []
    for value in ("0", "-1"):
        done = in_process(command, *["gone.wav"] * INPUT.get(command, 1), *REQUIRED.get(command, ()), *dry, f"{option}={value}")
        assert done.returncode == 2 or dry, (value, done.stdout, done.stderr)
        assert "unexpected" not in done.stderr and "Traceback" not in done.stderr, (value, done.stderr)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--stages", "0"), "--stages"),
        (("--stages", "-1"), "--stages"),
        (("--stages", "1000"), "--stages"),
        (("--max-queries", "0"), "max-queries"),
        (("--wer-threshold", "0"), "wer_threshold"),
        (("--linf", "-1"), "linf"),
        (("--l2", "0"), "l2"),
        (("--snr-db", "1e308"), "snr-db"),
        (("--db-x", "1e10"), "db_x"),
        (("--masking-excess-db", "0"), "masking_excess_db"),
        (("--steps", "-1"), "steps"),
        (("--batch-size", "0"), "batch-size"),
        (("--attack", "cw", "--confidence", "-1"), "confidence"),
    ],
)
def test_numbers_out_of_range_are_usage_errors_that_name_the_option(tmp_path: Path, options: tuple[str, ...], word: str) -> None:
    clip = write_clips(tmp_path / "in", 1)[0]
    done = in_process("attack", clip, "--victim", "tiny", *options, "--out", tmp_path / "run")
    assert done.returncode == 2 and "unexpected" not in done.stderr, done.stderr
    assert word in done.stderr.splitlines()[-1]
    assert not (tmp_path / "run").exists()


SUITE = """
inputs: [in]
victims: [tiny]
attacks:
  - attack: pgd
    params: {{steps: {steps}, step_size: {step_size}}}
    budget: {{snr_db: {snr_db}}}
    wer_threshold: {wer_threshold}
    stages_db: {stages_db}
    max_queries: {max_queries}
seed: {seed}
limits: {{seconds: {seconds}}}
gates: ["success_rate <= 1 at snr_db >= 20"]
"""
FINE = {
    "steps": 2,
    "step_size": 0.1,
    "snr_db": 25,
    "wer_threshold": 0.5,
    "stages_db": 5,
    "max_queries": 10,
    "seed": 0,
    "seconds": 60,
}


@pytest.mark.parametrize("value", [".nan", "-.inf", "1.0e+999", "-1", "1" + "0" * 400])
@pytest.mark.parametrize("key", FINE)
def test_numbers_in_a_suite(tmp_path: Path, key: str, value: str) -> None:
    write_clips(tmp_path / "in", 1)
    suite = tmp_path / "suite.yaml"
    suite.write_text(SUITE.format(**{**FINE, key: value}))
    done = in_process("run", suite, "--out", tmp_path / "out", "--dry-run")
    assert "unexpected" not in done.stderr and "Traceback" not in done.stderr, done.stderr
    if (key, value) in {("snr_db", "-1"), ("max_queries", "1" + "0" * 400), ("steps", "1" + "0" * 400)}:
        return  # these can be had, or may be as many as one likes
    assert done.returncode == 2, done.stdout
    assert key in done.stderr or "limits" in done.stderr, done.stderr


def test_the_suite_that_the_others_spoil_is_fine(tmp_path: Path) -> None:
    write_clips(tmp_path / "in", 1)
    (tmp_path / "suite.yaml").write_text(SUITE.format(**FINE))
    done = in_process("run", tmp_path / "suite.yaml", "--out", tmp_path / "out", "--dry-run")
    assert done.returncode == 0, done.stderr


def test_numbers_read_from_texts() -> None:
    assert number("0.5", "x", 0, 1) == 0.5 and numbers("0, 1", "x", 0, 1) == [0.0, 1.0]
    for text in ("nan", "inf", "-inf", "1e999", "2", "-0.1", "", "one"):
        with pytest.raises(SpecError, match="--x"):
            number(text, "--x", 0, 1)
    assert parse_params(["a=1", "b=x", "c=[1, 2]", "d=true"]) == {"a": 1, "b": "x", "c": [1, 2], "d": True}
