"""Success is defined on normalised transcripts, by hand-made cases."""

from __future__ import annotations

import math

import pytest

from voiceattack.errors import SpecError
from voiceattack.objectives import KINDS, Objective, action_of, interpret_of, wanted
from voiceattack.victims import load_victim
from voiceattack.victims.base import Transcript
from voiceattack.victims.intent import Intent


def test_targeted_is_exact_after_normalisation() -> None:
    objective = Objective("targeted", "unlock the front door")
    assert objective.succeeded("Turn on the lamp.", " Unlock the front door.")
    assert not objective.succeeded("Turn on the lamp.", "Unlock the front doors.")


def test_untargeted_counts_words_against_the_clean_hypothesis() -> None:
    objective = Objective(wer_threshold=0.5)
    assert not objective.succeeded("turn on the lamp", "Turn on the lump.")  # 1 of 4 words
    assert objective.succeeded("turn on the lamp", "Turn off the lump.")  # 2 of 4
    assert objective.succeeded("", "hello") and not objective.succeeded("", "...")


def test_mute_means_nothing_is_left_after_normalisation() -> None:
    assert Objective("mute").succeeded("turn on the lamp", " . ")
    assert not Objective("mute").succeeded("turn on the lamp", "you")


def test_nearness_grows_toward_success() -> None:
    targeted = Objective("targeted", "unlock the front door")
    assert (
        targeted.nearness("x", "unlock the front door")
        > targeted.nearness("x", "unlock the door")
        > targeted.nearness("x", "hello")
    )
    mute = Objective("mute")
    assert mute.nearness("x", ".") > mute.nearness("x", "hello") > mute.nearness("x", "hello there")


@pytest.mark.parametrize(
    "arguments",
    [
        ("targeted", None),
        ("targeted", "..."),
        ("untargeted", "hello"),
        ("louder", None),
        ("untargeted", None, 0.0),
        ("untargeted", None, math.inf),
        ("mute", "hello"),
        ("action:TurnOff", None),
        ("action:", "hello"),
        ("actions", None),
    ],
)
def test_what_does_not_fit_together_is_refused(arguments: tuple[object, ...]) -> None:
    with pytest.raises(SpecError):
        Objective(*arguments)  # type: ignore[arg-type]


def turn(text: str) -> Intent:
    """An assistant of two sentences."""
    known = {"lamp on": Intent("TurnOn", {"name": "lamp"}), "lamp off": Intent("TurnOff", {"name": "lamp"})}
    return known.get(text, Intent())


@pytest.mark.parametrize(
    ("kind", "target", "succeed", "fail"),
    [
        ("wrong-action", None, ["lamp off"], ["lamp on", "hum"]),
        ("no-action", None, ["hum", ""], ["lamp on", "lamp off"]),
        ("action:TurnOff", "lamp off", ["lamp off"], ["lamp on", "hum"]),
        ("action:TurnOff{name=door}", "x", [], ["lamp off"]),
        ("evade", None, ["", "..."], ["hum"]),
        ("false-trigger", None, ["hum"], ["", "..."]),
    ],
)
def test_success_of_an_objective_on_an_assistant_or_a_detector(
    kind: str, target: str | None, succeed: list[str], fail: list[str]
) -> None:
    objective = Objective(kind, target)
    for texts, expected in ((succeed, True), (fail, False)):
        for text in texts:
            assert objective.succeeded("lamp on", text, turn) is expected, text
            assert objective.met(Transcript("lamp on"), Transcript(text), turn) is expected, text
            alone = objective.succeeded("lamp on", text)
            assert alone is (expected and not objective.acts), "nobody says what a text brings about"


def test_an_action_that_was_seen_counts_and_not_what_the_text_would_bring_about() -> None:
    on, off = turn("lamp on"), turn("lamp off")
    for kind, seen, expected in (
        ("wrong-action", off, True),
        ("wrong-action", on, False),
        ("wrong-action", Intent(), False),
        ("no-action", Intent(), True),
        ("no-action", off, False),
        ("action:TurnOff", off, True),
    ):
        objective = Objective(kind, "lamp off" if kind.startswith("action:") else None)
        assert objective.met(Transcript("lamp on"), Transcript("hum", action=seen), turn) is expected, (kind, seen)
        assert not objective.met(Transcript("lamp on"), Transcript("hum", action=seen)), "nobody says what texts bring about"
    assert not Objective("wrong-action").met(Transcript("hum", action=off), Transcript("hum", action=off), turn)
    # An objective on transcripts asks for the text, whatever was done.
    assert Objective("mute").met(Transcript("lamp on"), Transcript("", action=off), turn)
    assert not Objective("mute").met(Transcript("lamp on"), Transcript("hum", action=Intent()), turn)
    assert action_of(Transcript("lamp on", action=off), turn) == off and action_of(Transcript("lamp on"), turn) == on


def test_every_way_of_hearing_must_be_fooled() -> None:
    ways = {"hypotheses": {"one": "lamp off", "two": "lamp on"}}
    assert not Objective().met(Transcript("lamp on"), Transcript("lamp off", ways))
    assert Objective().met(Transcript("lamp on"), Transcript("lamp on", {"hypotheses": {"one": "lamp off", "two": "x"}}))


@pytest.mark.parametrize(
    ("kind", "targeted", "acts", "direction", "measure"),
    [
        ("untargeted", False, False, "away", ("wer_from_clean", 0.25)),
        ("targeted", True, False, "toward", ("wer_to_target", 0.0)),
        ("mute", False, False, "toward", ("words_heard", 0.0)),
        ("wrong-action", False, True, "away", ("wer_from_clean", None)),
        ("no-action", False, True, "away", ("wer_from_clean", None)),
        ("action:TurnOff", True, True, "toward", ("wer_to_target", 0.0)),
        ("evade", False, False, "away", ("words_heard", 0.0)),
        ("false-trigger", False, False, "toward", ("words_heard", 1.0)),
    ],
)
def test_what_each_kind_is(kind: str, targeted: bool, acts: bool, direction: str, measure: tuple[str, float | None]) -> None:
    target = "lamp off" if targeted else None
    objective = Objective(kind, target, 0.25)
    assert (objective.name, objective.targeted, objective.acts) == (kind, targeted, acts)
    assert (objective.direction, objective.measure) == (direction, measure)
    assert objective.as_dict() == {"objective": kind, "target": target, "wer_threshold": 0.25}
    toy = load_victim("tiny")
    text = target if targeted else toy.mute_text if kind == "mute" else "clean"
    assert objective.text_for(toy, "clean") == text and interpret_of(toy) is None
    assert objective.of(toy) == Objective(kind, target, 0.25, toy.language)


def test_what_each_kind_wants_in_words() -> None:
    assert wanted("targeted", "lamp off") == "be heard as “lamp off”" and wanted("mute") == "be heard as nothing"
    assert wanted("action:TurnOff", "lamp off") == "bring about TurnOff by “lamp off”"
    assert len({wanted(kind, "x") for kind in KINDS}) == len(KINDS)


def test_nearness_counts_word_errors() -> None:
    assert Objective("targeted", "a b c d").nearness("x", "a b x d") == -1 / 4
    assert [Objective(kind).nearness("a b c d", "a b x x") for kind in ("untargeted", "wrong-action", "no-action")] == [1 / 2] * 3
    assert [Objective(kind).nearness("x", "a, b") for kind in ("mute", "evade")] == [-2.0] * 2
    assert [Objective("false-trigger").nearness("x", text) for text in ("a b", "...")] == [1.0, 0.0]


def test_errors_in_a_language_without_spaces_are_of_characters() -> None:
    objective = Objective(wer_threshold=0.25, language="zh")
    assert objective.wer_against_clean("打开厨房", "打开厨窗") == 1 / 4 and objective.succeeded("打开厨房", "打开厨窗")


def test_slow_counts_the_tokens_of_both_clips() -> None:
    def wrote(tokens: int | None) -> Transcript:
        return Transcript("a", {} if tokens is None else {"tokens": tokens})

    slow, triple = Objective("slow"), Objective("slow:3")
    assert (slow.slow_factor, triple.slow_factor, triple.measure) == (10.0, 3.0, ("tokens_ratio", 3.0))
    assert slow.met(wrote(4), wrote(40)) and not slow.met(wrote(4), wrote(39)) and triple.met(wrote(4), wrote(12))
    assert slow.met(wrote(0), wrote(10)) and not slow.met(wrote(0), wrote(9)), "no token counts as one"
    assert not slow.met(wrote(4), wrote(None)) and not slow.met(wrote(None), wrote(99)), "a victim that does not tell"
    assert slow.nearest(wrote(4), wrote(6)) == 1.5 and not slow.succeeded("a", "a " * 99)
    assert wanted("slow:3") == "write at least 3 times as much as on the clean clip" and "10 times" in wanted("slow")
    for wrong in ("slow:", "slow:x", "slow:1", "slow:-2", "slow:nan", "slow:inf"):
        with pytest.raises(SpecError, match="a number > 1, as in slow:10"):
            Objective(wrong)
    with pytest.raises(SpecError, match="takes no target"):
        Objective("slow", "text")
