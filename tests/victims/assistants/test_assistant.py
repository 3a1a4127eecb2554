"""Assistants: intents over a home, the composed victim, objectives on actions, judged from the saved file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from rapidfuzz.distance import Levenshtein
from result_lines import result
from speechlike import ROOT, tones
from suite_fixture import run, summary, write_suite

from voiceattack.attacks import build_attack
from voiceattack.attacks.problem import Problem
from voiceattack.audio import Batch
from voiceattack.audio import clips as audio
from voiceattack.constraints import Budget
from voiceattack.corpus.samples import command_for
from voiceattack.craft import AttackRequest, craft
from voiceattack.errors import AttackError, SpecError, TargetError
from voiceattack.evaluate import evaluate
from voiceattack.objectives import Objective
from voiceattack.report import render
from voiceattack.report.commands import make_command
from voiceattack.report.sections.actions import actions, by_command, parted
from voiceattack.runs.records import Result
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
        row["text"]: str(victim.interpret(row["text"])) for row in catalogue
    }
    assert command_for(UNLOCK) == "Unlock the front door." and command_for("HassNothing") is None


@needs_intents
def test_an_invisible_character_voids_the_action() -> None:
    interpret = load_victim("intents:home").interpret
    assert interpret("turn on the living room lamp") and not interpret("turn on the living room lamp\u200b")


@needs_intents
def test_objectives_on_actions() -> None:
    interpret = load_victim("intents:home").interpret
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
def test_a_run_on_an_assistant_records_and_reports_actions(tmp_path: Path) -> None:
    request = AttackRequest(
        inputs=(str(ROOT / "samples" / "command-46.flac"),),
        victim="assistant:home?asr=tiny",
        params={"steps": 2},
        objective="no-action",
        budget={"snr_db": 20.0},
    )
    made = craft(request, tmp_path / "run")
    figures = evaluate(made, [load_victim(request.victim)])
    (row,) = [row for row in made.results() if not row.is_control]
    assert row.objective == "no-action" and row.error is None
    assert (row.clean_action, row.action, row.intent_error) == ("-", "-", False)  # the toy hears nonsense
    assert row.reference_action == "-" and row.action_error is False
    group = figures["groups"][0]
    assert (group["action_changed_rate"], group["action_success_rate"]) == (0.0, 1.0)
    assert "--objective no-action" in make_command(made, made.results())
    assert "bring about no action" in render(made, ["html"])[0].read_text("utf-8")
    assert "## Actions" in render(made, ["md"])[0].read_text(encoding="utf-8")


@needs_intents
def test_another_action_is_aimed_at_by_the_likeliest_of_the_nearest_commands() -> None:
    victim = load_victim("assistant:home?asr=tiny")
    heard = "Turn on the kitchen lamp."
    problem = Problem(victim, Batch.of([tones(0)]), [heard], Objective("wrong-action"), Budget(snr_db=20), [0], 1)
    retargeted = problem.retargeted()
    (text,) = retargeted.texts
    meant, other = victim.interpret(heard), victim.interpret(text)
    assert retargeted.direction == "toward" and other and other != meant and problem.direction == "away"
    distances = sorted(Levenshtein.distance(heard.lower(), one.lower()) for one in set(victim.commands) - {heard})
    assert Levenshtein.distance(heard.lower(), text.lower()) <= distances[5]
    assert problem.retargeted(hallucinate=False) is problem
    nowhere = Problem(load_victim("tiny"), Batch.of([tones(0)]), [heard], Objective("wrong-action"), Budget(snr_db=20), [0], 1)
    assert nowhere.retargeted() is nowhere


@needs_intents
def test_no_action_is_aimed_at_by_a_hallucination_that_means_none() -> None:
    victim = load_victim("assistant:home?asr=tiny")
    victim.hallucinations = ("Turn on the kitchen lamp.", "thank you")
    problem = Problem(victim, Batch.of([tones(0)]), ["Lock the door."], Objective("no-action"), Budget(snr_db=20), [0], 1)
    assert problem.retargeted().texts == ["thank you"] and problem.retargeted().direction == "toward"
    victim.hallucinations = ("Turn on the kitchen lamp.",)
    assert problem.retargeted() is problem


EAR = """
def make():
    def hear(waveform, rate):
        rough = float(((waveform[1:] - waveform[:-1]) ** 2).mean())
        said = "Turn on the kitchen lamp." if rough < 0.02 else WORSE
        return said if rough < 0.2 else ""
    return hear
"""


@needs_intents
@pytest.mark.parametrize(
    ("worse", "code", "verdict"), [("Unlock the front door.", 1, "failed"), ("turn on kitchen lamp", 0, "passed")]
)
def test_a_suite_has_a_gate_on_actions(
    worse: str, code: int, verdict: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noise changes what a recogniser writes; only where the action is another does the gate fail."""
    (tmp_path / f"ear_{verdict}.py").write_text(EAR.replace("WORSE", repr(worse)))
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = f"assistant:home?asr=python:ear_{verdict}:make"
    suite = write_suite(
        tmp_path,
        victims=[{"name": "home", "spec": spec}],
        attacks=[{"attack": "noise", "budget": {"snr_db": 0}, "objective": "wrong-action"}],
        gates=["action_error_rate == 0"],
        reports=["md", "html"],
    )
    found, text, errors = run(suite, "--trust")
    (gate,) = summary(suite)["gates"]
    assert (found, gate["verdict"], gate["n"]) == (code, verdict, 2), text + errors
    assert gate["value"] == (1.0 if code else 0.0)
    (folder,) = (tmp_path / "out" / "cells").iterdir()
    rows = [json.loads(line) for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["hypothesis"] for row in rows} == {worse} and {row["action_error"] for row in rows} == {bool(code)}
    assert {row["reference_action"] for row in rows} == {"HassTurnOn{name=light.kitchen_lamp}"}
    page, told = ((folder / name).read_text(encoding="utf-8") for name in ("report.html", "report.md"))
    if code:
        assert "action:      HassTurnOff{name=lock.front}" in (tmp_path / "out" / "junit.xml").read_text(encoding="utf-8")
        assert "lock.front" in page and "### The same words, another action (0)" in told
    else:
        assert "### Other words, the same action (2)" in told and "Other words, the same action (2)" in page


def acted(id: str, said: str, heard: str, means: str, action: str, **more: object) -> Result:
    """The result of a victim that acts."""
    intent, right = parse_action(action), parse_action(means)
    wrong, slots = right.slot_errors(intent)
    row: dict[str, object] = {"id": id, "reference": said, "outcome": "held", "hypothesis": heard, "clean_hypothesis": said}
    row |= {"reference_action": means, "clean_action": means, "action": action}
    row |= {"action_error": right != intent, "intent_error": right.name != intent.name, "slot_errors": wrong, "slots": slots}
    return result(**(row | more))


def test_what_an_assistant_did_by_command_and_where_words_and_action_part() -> None:
    lamp, desk = "HassTurnOn{name=lamp}", "HassTurnOn{name=desk}"
    rows = [
        acted("a", "Lamp on", "lamp on please", lamp, lamp),
        acted("b", "Lamp on", "LAMP ON", lamp, desk),
        acted("b.noise", "Lamp on", "lamp on", lamp, lamp, control_for="b"),
        acted("c", "Unlock | it", "weather", "Open{name=d,area=x}", "Weather"),
        result(id="d"),
    ]
    first, second = by_command(rows)
    assert (first.said, first.n, first.right, first.clean_right, first.intent_errors) == ("Unlock | it", 1, 0, 1, 1)
    assert (first.noise_n, first.slot_error_rate) == (0, 1.0)
    assert (second.n, second.right, second.noise_right, second.intent_errors) == (2, 1, 1, 0)
    assert second.slot_error_rate == 0.5
    found = parted(rows)
    assert [row.id for row in found.words] == ["a"] and [row.id for row in found.action] == ["b"]
    text = actions(rows)
    assert r"Unlock \| it" in text and "| 1 of 2 | 1 of 1 | 0 | 0.50 |" in text and actions([rows[-1]]) == ""


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
    assert victim.transcribe(quiet)[0].text == "" and float(victim.score(quiet, [""])[0]) >= 0.0
    assert victim.transcribe(quiet)[0].details == victim.transcribe(quiet)[0].details
    with pytest.raises(SpecError, match="choose okay_nabu"):
        load_victim("wakeword:hey_you")
