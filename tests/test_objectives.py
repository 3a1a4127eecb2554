"""Success is defined on normalised transcripts, by hand-made cases."""

from __future__ import annotations

import math

import pytest
from speechlike import tones

from voiceattack.attacks import build_attack
from voiceattack.audio import Batch
from voiceattack.constraints import Budget
from voiceattack.errors import AttackError, SpecError
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


@pytest.mark.parametrize(
    ("kind", "clean", "aim", "succeed", "fail"),
    [
        ("drop:not", "Do not open the door.", "Do open the door.", ["do open the door"], ["do not open the door", "do open", ""]),
        ("drop:front door", "The front door, please!", "The please!", ["the, please"], ["the door please"]),
        ("drop:stop", "Stop", None, [""], ["stop"]),
        (
            "insert:and the lock",
            "Open it.",
            "Open it. and the lock",
            ["open and the lock it", "And the lock, open it"],
            ["open it"],
        ),
        ("insert:now", "Open it", "Open it now", ["now open it"], ["open now", "now it open", "open it now now"]),
    ],
)
def test_words_dropped_and_inserted(kind: str, clean: str, aim: str | None, succeed: list[str], fail: list[str]) -> None:
    objective, toy = Objective(kind), load_victim("tiny")
    assert objective.text_for(toy, clean) == (toy.mute_text if aim is None else aim)
    for texts, expected in ((succeed, True), (fail, False)):
        for text in texts:
            assert objective.succeeded(clean, text) is expected, text
            assert (objective.nearness(clean, text) == 0.0) >= (expected and text == aim), text
    assert (objective.direction, objective.measure) == ("toward", ("wer_to_target", 0.0))


def test_a_term_that_is_not_heard_cannot_be_dropped() -> None:
    assert "'not' is not heard in the clean clip" in str(Objective("drop:not").aim.refusal("Open the door"))
    assert Objective("drop:not").aim.refusal("Do NOT, ever.") is None and Objective("insert:not").aim.refusal("x") is None
    assert not Objective("drop:not").succeeded("open the door", "open the door")
    clip = Batch.of([tones(1)])
    (refused,) = build_attack("pgd", steps=2).craft(
        load_victim("tiny"), clip, ["ab"], Objective("drop:zz"), Budget(snr_db=20), [0]
    )
    assert isinstance(refused, AttackError) and "cannot be dropped" in str(refused)


def test_writing_to_the_limit_and_in_loops() -> None:
    def wrote(tokens: int, most: int | None = 400) -> Transcript:
        return Transcript("a", {"tokens": tokens, **({} if most is None else {"most_tokens": most})})

    runaway, repeat = Objective("runaway"), Objective("repeat")
    assert runaway.met(wrote(9), wrote(380)) and not runaway.met(wrote(9), wrote(379)) and not runaway.met(wrote(400), wrote(400))
    assert not runaway.met(wrote(9, None), wrote(400, None)) and runaway.nearest(wrote(9), wrote(100)) == 0.25
    assert repeat.succeeded("go on", "no way " * 4) and not repeat.succeeded("go on", "no way " * 3)
    assert not repeat.succeeded("no way " * 4, "no way " * 5), "it does so when clean"
    assert [repeat.nearness("x", text) for text in ("", "a b", "a b a b a b", "no " * 6, "no " * 3)] == [0, 1, 3, 4, 2]
    assert runaway.writes and repeat.writes and wanted("runaway") == "write to the victim's own limit"


def test_another_language_is_told_by_script_or_by_its_words() -> None:
    pytest.importorskip("wordfreq", reason="the extra text is not installed")
    objective = Objective("wrong-language")
    for text in ("guten Morgen, wie geht es Ihnen?", "Muchas gracias por su atención.", "привет, как дела", "你好吗"):
        assert objective.succeeded("x", text), text
        assert not Objective("wrong-language", language="en").succeeded("x", "turn on the lamp in the kitchen")
    for text in ("", "...", "Mr. John Dashwood had then leisure", "Go forward 10 meters.", "Bonjour"):
        assert not objective.succeeded("x", text), text
    translate = Objective("translate", language="de")
    assert translate.succeeded("Mach das Licht an", "Turn on the light in the kitchen.")
    assert not translate.succeeded("Mach das Licht an", "Mach das Licht an") and not translate.succeeded(
        "x", "Muchas gracias por su atención."
    )
    with pytest.raises(AttackError, match=r"add \?language=de, or want wrong-language"):
        build_attack("noise").check(load_victim("tiny"), Objective("translate"), Budget(snr_db=20))


def test_slow_counts_the_tokens_of_both_clips() -> None:
    def wrote(tokens: int | None) -> Transcript:
        return Transcript("a", {} if tokens is None else {"tokens": tokens})

    slow, triple = Objective("slow"), Objective("slow:3")
    assert (slow.measure, triple.measure) == (("tokens_ratio", 10.0), ("tokens_ratio", 3.0))
    assert slow.met(wrote(4), wrote(40)) and not slow.met(wrote(4), wrote(39)) and triple.met(wrote(4), wrote(12))
    assert slow.met(wrote(0), wrote(10)) and not slow.met(wrote(0), wrote(9)), "no token counts as one"
    assert not slow.met(wrote(4), wrote(None)) and not slow.met(wrote(None), wrote(99)), "a victim that does not tell"
    assert slow.nearest(wrote(4), wrote(6)) == 1.5 and not slow.succeeded("a", "a " * 99)
    assert wanted("slow:3") == "write at least 3 times as much as on the clean clip" and "10 times" in wanted("slow")
    for wrong in ("slow:x", "slow:1", "slow:-2", "slow:nan", "slow:inf"):
        with pytest.raises(SpecError, match="a number > 1, as in slow:10"):
            Objective(wrong)
    with pytest.raises(SpecError, match="takes no target"):
        Objective("slow", "text")
