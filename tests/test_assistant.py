"""Assistants: intents over a home, the composed victim, objectives on actions, judged from the saved file."""

from __future__ import annotations

import json

import pytest
import torch
from speechlike import ROOT

from voiceattack import audio
from voiceattack.attacks import build_attack
from voiceattack.audio import Batch
from voiceattack.constraints import Budget
from voiceattack.craft import AttackRequest, craft
from voiceattack.errors import AttackError, SpecError, TargetError
from voiceattack.evaluate import evaluate
from voiceattack.objectives import Objective
from voiceattack.report import render
from voiceattack.samples import command_for
from voiceattack.victims import load_victim
from voiceattack.victims.intent import Intent, parse_action

UNLOCK = "HassTurnOff{name=lock.front}"
needs_intents = pytest.mark.usefixtures("_intents")


@pytest.fixture
def _intents() -> None:
    pytest.importorskip("hassil", reason="the extra assistant is not installed")
    pytest.importorskip("home_assistant_intents", reason="the extra assistant is not installed")


def commands() -> list[dict[str, str]]:
    return [json.loads(line) for line in (ROOT / "samples" / "commands.jsonl").read_text(encoding="utf-8").splitlines()]


def test_actions_read_back_as_they_are_written() -> None:
    action = parse_action(" HassTurnOff{ name=lock.front, domain=lock }")
    assert str(action) == "HassTurnOff{domain=lock,name=lock.front}" and parse_action(str(action)) == action
    assert parse_action(UNLOCK).covers(action) and not action.covers(parse_action(UNLOCK))
    assert not Intent() and Intent.from_dict(action.as_dict()) == action
    assert action.slot_errors(Intent("HassTurnOff", {"name": "lock.back"})) == (2, 2)
    for wrong in ("", "HassTurnOff{", "HassTurnOff{name}", "{name=a}"):
        with pytest.raises(SpecError, match="must read"):
            parse_action(wrong)


@needs_intents
def test_written_commands_mean_what_the_catalogue_says() -> None:
    victim = load_victim("intents:home")
    catalogue = commands()[::4]
    assert {row["text"]: row["action"] for row in catalogue} == {
        row["text"]: str(victim.interpret(row["text"]))  # type: ignore[attr-defined]
        for row in catalogue
    }
    assert command_for(UNLOCK) == "Unlock the front door." and command_for("HassNothing") is None


@needs_intents
def test_an_invisible_character_voids_the_action() -> None:
    interpret = load_victim("intents:home").interpret  # type: ignore[attr-defined]
    assert interpret("turn on the living room lamp") and not interpret("turn on the living room lamp\u200b")


@needs_intents
def test_objectives_on_actions() -> None:
    interpret = load_victim("intents:home").interpret  # type: ignore[attr-defined]
    weather, unlock, nonsense = "What is the weather?", "unlock the front door", "colourless green ideas"
    targeted = Objective(f"action:{UNLOCK}", "Unlock the front door.")
    assert targeted.succeeded(weather, unlock, interpret) and not targeted.succeeded(weather, weather, interpret)
    assert not targeted.succeeded(weather, unlock)
    assert Objective("wrong-action").succeeded(weather, unlock, interpret)
    assert not Objective("wrong-action").succeeded(weather, nonsense, interpret)
    assert Objective("no-action").succeeded(weather, nonsense, interpret)


@needs_intents
def test_a_target_that_means_something_else_is_refused() -> None:
    attack, objective = build_attack("cw"), Objective(f"action:{UNLOCK}", "What is the weather?")
    with pytest.raises(TargetError, match="means HassGetWeather"):
        attack.check(load_victim("assistant:home?asr=tiny"), objective, Budget())
    with pytest.raises(AttackError, match="assistant:home"):
        attack.check(load_victim("tiny"), objective, Budget())


@needs_intents
def test_a_run_on_an_assistant_records_and_reports_actions(tmp_path) -> None:  # type: ignore[no-untyped-def]
    request = AttackRequest(
        inputs=(str(ROOT / "samples" / "command-46.flac"),),
        victim="assistant:home?asr=tiny",
        params={"steps": 2},
        objective="no-action",
        budget={"snr_db": 20.0},
    )
    run = craft(request, tmp_path / "run")
    summary = evaluate(run, [load_victim(request.victim)])
    (row,) = [row for row in run.results() if row["control_for"] is None]
    assert row["objective"] == "no-action" and row["error"] is None
    assert (row["clean_action"], row["action"], row["intent_error"]) == ("-", "-", False)  # the toy hears nonsense
    assert summary["groups"][0]["action_changed_rate"] == 0.0
    assert "## Actions" in render(run, ["md"])[0].read_text(encoding="utf-8")


@needs_intents
@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / "samples" / "commands.jsonl").exists(), reason="no samples/ here")
def test_the_assistant_is_right_on_clean_commands() -> None:
    victim = load_victim("assistant:home")
    right = 0
    for row in commands():
        heard = victim.transcribe(Batch.of([audio.load(ROOT / "samples" / row["audio_filepath"])]))[0]
        right += heard.details["action"] == row["action"]
    assert right >= 38


def test_a_wake_word_is_scored_and_missed_in_silence() -> None:
    pytest.importorskip("pymicro_wakeword", reason="the extra assistant is not installed")
    victim = load_victim("wakeword:hey_jarvis")
    quiet = Batch.of([torch.zeros(16_000)])
    assert victim.transcribe(quiet)[0].text == "" and float(victim.score(quiet, [""])[0]) >= 0.0  # type: ignore[attr-defined]
    assert victim.transcribe(quiet)[0].details == victim.transcribe(quiet)[0].details
    with pytest.raises(SpecError, match="choose okay_nabu"):
        load_victim("wakeword:hey_you")
