"""Gates judged on a few samples: whom they are about, what decides, and what is said of it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from result_lines import result

from voiceattack.suite.gate_metrics import UNTRIED
from voiceattack.suite.gates import Bound, Gate, Judgement, judge, parse_gate, shown
from voiceattack.suite.samples import HeardClip, Sample
from voiceattack.suite.schema import GateEntry


def gate(text: str, **more: Any) -> Gate:
    """A gate that judges however few clips there are."""
    return parse_gate(GateEntry.model_validate({"gate": text, **more}), 1)


def attacked(clip: str, *, fooled: bool = True, **changes: Any) -> Sample:
    """An artefact at 20 dB of the attack ``loud`` of a grid of ``noise``, unless ``changes`` say otherwise."""
    fields = {"victim": "v", "attack": "noise[snr_db=20]", "entry": "loud", "registered": "noise", "seed": 0, "tags": ()}
    own = {name: changes.pop(name, default) for name, default in fields.items()}
    outcome = {"success": fooled, "outcome": "fooled" if fooled else "held"}
    row = result(**{"id": clip, **outcome, **changes})
    return Sample("attack", cell="cell", clip=clip, row=row, **{**own, "tags": frozenset(own["tags"])})


def clean(clip: str, heard: str, victim: str = "v", kind: Any = "clean") -> Sample:
    row = HeardClip(clip, clip, "", victim, "en", "turn it on", heard, len(heard.split()), 0.0, None, 60.0, None)
    return Sample(kind, victim, "", "", "", None, frozenset(), "", clip, row)


def judged(asked: Gate, *samples: Sample, seeds: tuple[int, ...] = (0,), **more: Any) -> list[Judgement]:
    return judge(asked, samples, seeds, **more)


@pytest.mark.parametrize(
    ("sign", "less", "same", "more"),
    [
        ("<=", True, True, False),
        (">=", False, True, True),
        ("<", True, False, False),
        (">", False, False, True),
        ("==", False, True, False),
        ("!=", True, False, True),
    ],
)
def test_signs(sign: str, less: bool, same: bool, more: bool) -> None:
    bound = gate(f"wer {sign} 0.5").bound
    assert (bound.holds(0.4), bound.holds(0.5), bound.holds(0.6)) == (less, same, more)
    assert str(bound) == f"wer {sign} 0.5"


def test_limits_as_people_write_them() -> None:
    limits = [gate(f"wer <= {text}").bound.limit for text in ("20%", "-3", "1e-2", "2.5", "0.20")]
    assert limits == [0.2, -3.0, 0.01, 2.5, 0.2]
    assert [gate(f"wer <= 1{end}").decides for end in ("", ", interval decides", " the estimate decides.")] == [
        "estimate",
        "interval",
        "estimate",
    ]


def test_an_artefact_crafted_to_a_size_has_it() -> None:
    asked = gate("success_rate <= 0.2 at snr_db >= 30 and pesq > 3")
    assert str(asked) == "success_rate <= 0.2 at snr_db >= 30 and pesq > 3" and str(gate("wer <= 1")) == "wer <= 1"
    sizes = [(30.0, 4.0), (29.99, 4.0), (29.9, 4.0), (31.0, 2.9), (31.0, None)]
    assert [asked.meets(attacked("a", snr_db=snr, pesq=pesq)) for snr, pesq in sizes] == [True, True, False, False, False]
    # Without a size the attack's answer counts, not what was met on the way to it.
    assert gate("success_rate <= 0.2").meets(attacked("a")) and not gate("success_rate <= 0.2").meets(attacked("a", stage_of="b"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("wer >= 0.5", "worse the more it is"),
        ("wer > 0.5", "asks for a weak victim"),
        ("snr_db_median <= 30", "worse the less it is"),
        ("max_snr_db_to_fool >= 28", "max_snr_db_to_fool <= 28"),
        ("wer <= 0.5", ""),
        ("wer < 0.5", ""),
        ("snr_db_median >= 30", ""),
        ("wer == 0", ""),
        ("wer != 0", ""),
        ("snr_db_median == 0", ""),
    ],
)
def test_a_gate_that_asks_for_a_weak_victim_is_told(text: str, words: str) -> None:
    hint = gate(text).hint
    assert words in hint and bool(hint) == bool(words)


def test_each_victim_and_attack_is_judged_apart_unless_asked_together() -> None:
    samples = [attacked("a"), attacked("b", attack="pgd", fooled=False), attacked("a", victim="w", fooled=False)]
    apart = judged(gate("success_rate <= 0"), *samples)
    assert [(one.victim, one.attack, one.verdict) for one in apart] == [
        ("v", "noise[snr_db=20]", "failed"),
        ("v", "pgd", "passed"),
        ("w", "noise[snr_db=20]", "passed"),
    ]
    for per, n in ((["victim"], [2, 1]), (["attack"], [2, 1]), ([], [3])):
        assert [one.figure.n for one in judged(gate("success_rate <= 0", per=per), *samples)] == n, per
    names = [one.name for one in judged(gate("success_rate <= 0", per=[]), *samples)]
    assert names == ["success_rate <= 0"] and apart[0].name == "success_rate <= 0 (v, noise[snr_db=20])"
    # What is not about an attack is judged for each victim.
    found = judged(gate("wer_clean <= 0"), *samples, clean("a", "turn it on"), clean("a", "turn it of", "w"))
    assert [(one.victim, one.attack, one.verdict) for one in found] == [("v", "", "passed"), ("w", "", "failed")]


@pytest.mark.parametrize(
    ("only", "clips"),
    [
        ({"attack": "noise[snr_db=20]"}, 2),
        ({"attack": "loud"}, 2),
        ({"attack": "noise"}, 2),
        ({"attack": "pgd"}, 1),
        ({"tag": "speech"}, 1),
        ({"victim": "w"}, 1),
        ({}, 4),
    ],
)
def test_a_gate_about_some_samples_alone(only: dict[str, str], clips: int) -> None:
    samples = [
        attacked("a", tags=("speech", "far")),
        attacked("b"),
        attacked("c", attack="pgd", entry="pgd", registered="pgd"),
        attacked("d", victim="w", attack="cw", entry="cw", registered="cw"),
    ]
    (one,) = judged(gate("success_rate <= 1", per=[], **only), *samples)
    assert one.figure.n == clips and one.tag == ("tag speech" if "tag" in only else "")


def test_a_gate_on_clean_clips_keeps_them_when_it_names_an_attack() -> None:
    (one,) = judged(gate("wer_clean <= 0", attack="pgd"), attacked("a"), clean("a", "turn it on"))
    assert (one.verdict, one.figure.n) == ("passed", 1)


def test_repetition_loops_are_counted_without_speech_and_in_artefacts_never_in_clean_clips() -> None:
    loop = "thank you " * 4
    samples = [clean("a", loop), clean("b", loop, kind="no-speech"), attacked("c", hypothesis="lamp")]
    (one,) = judged(gate("repetition_loop_rate <= 0"), *samples)
    assert (one.figure.value, one.figure.n) == (0.5, 2)


def test_nothing_heard_and_nothing_tried() -> None:
    (one,) = judged(gate("success_rate <= 1"), clean("a", ""))
    assert (one.verdict, one.reason, one.victim, one.attack) == ("error", "nothing was heard that it is about", "", "")
    asked = gate("success_rate <= 1 at snr_db >= 30")
    (one,) = judged(asked, attacked("a"))
    assert (one.verdict, one.reason) == ("error", UNTRIED)
    # An attack without such sizes says nothing beside one that has them, for the same victim.
    found = judged(asked, attacked("a"), attacked("a", attack="pgd", snr_db=40), attacked("a", victim="w"))
    assert [(one.victim, one.attack, one.verdict) for one in found] == [
        ("v", "pgd", "passed"),
        ("w", "noise[snr_db=20]", "error"),
    ]


def test_what_was_not_finished_has_no_verdict() -> None:
    samples = [attacked("a"), attacked("a", seed=1)]
    (one,) = judged(gate("success_rate <= 1"), *samples, seeds=(0, 1), incomplete=["the limit of 3 queries", "more"])
    assert (one.verdict, one.verdicts, one.reason) == ("error", ("error", "error"), "not all was done: the limit of 3 queries")


def test_seeds_that_agree_and_seeds_that_do_not() -> None:
    samples = [attacked("a", seed=0, fooled=False), attacked("a", seed=1), attacked("a", seed=2)]
    (one,) = judged(gate("success_rate <= 0.5"), *samples, seeds=(0, 1, 2))
    assert (one.verdict, one.verdicts) == ("unreliable", ("passed", "failed", "failed")) and one.figure is one.figures[1]
    assert one.reason == "1 of 3 seeds hold it; success_rate 0 to 1, mean 0.667"
    (one,) = judged(gate("success_rate <= 1"), *samples, seeds=(0, 1, 2))
    assert (one.verdict, one.verdicts) == ("passed", ("passed",) * 3) and one.figure is one.figures[0]
    assert one.reason.startswith("success_rate is 0 [") and one.reason.endswith("; over 3 seeds success_rate 0 to 1, mean 0.667")
    (alone,) = judged(gate("success_rate <= 1"), samples[1], seeds=(1,))
    assert alone.reason == "success_rate is 1 [0.207, 1] over 1 clip"
    (one,) = judged(gate("success_rate <= 1"), *samples[:2], seeds=(0, 1, 7))
    assert one.verdict == "error" and one.verdicts == ("passed", "passed", "error") and one.figure is one.figures[2]
    assert one.reason.startswith("1 of 3 seeds had nothing to score (no artefact was scored")
    assert one.reason.endswith("; over 2 seeds success_rate 0 to 1, mean 0.5"), "beside the figure of the others"
    never = [attacked("a", seed=0), attacked("a", seed=1, fooled=False)]
    (one,) = judged(gate("max_snr_db_to_fool <= 30"), *never, seeds=(0, 1))
    assert one.reason.endswith("; over 2 seeds max_snr_db_to_fool never to 20.0"), "no mean of a number and never"


def test_samples_of_no_seed_are_in_every_round() -> None:
    (one,) = judged(gate("wer_clean <= 0"), clean("a", "turn it on"), seeds=(0, 1))
    assert [figure.n for figure in one.figures] == [1, 1]


def test_what_the_interval_decides() -> None:
    samples = [attacked(str(n), fooled=n < 2) for n in range(10)]
    for limit, estimate, interval in ((0.3, "passed", "failed"), (0.6, "passed", "passed"), (0.1, "failed", "failed")):
        asked = [gate(f"success_rate <= {limit}", decides=what) for what in ("estimate", "interval")]
        ((one,), (other,)) = (judged(each, *samples) for each in asked)
        assert (one.verdict, other.verdict) == (estimate, interval), limit
        assert ("not its whole interval" in other.reason) == (estimate != interval) and "whole" not in one.reason


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-math.inf, "never"),
        (0.0, "0"),
        (0.5, "0.5"),
        (1 / 3, "0.333"),
        (9.9996, "10"),
        (10.5, "10.5"),
        (10.0, "10.0"),
        (-12.34, "-12.3"),
    ],
)
def test_figures_for_people(value: float, text: str) -> None:
    assert shown(value) == text


def test_bounds_and_gates_are_values() -> None:
    assert Bound("wer", "<=", 0.5) == gate("wer <= 50%").bound and gate("wer <= 1") == gate("wer <= 1") != gate("cer <= 1")


def test_too_few_clips_do_not_decide_a_rate() -> None:
    few = [attacked(str(n), fooled=False) for n in range(4)]
    (one,) = judged(parse_gate(GateEntry.model_validate("success_rate <= 0.2")), *few)
    assert one.verdict == "error"
    assert one.reason.startswith("too few clips to judge: 4, at least 5 are needed (min_clips); success_rate is 0 [")
    (one,) = judged(parse_gate(GateEntry.model_validate("success_rate <= 0.2")), *few, attacked("e", fooled=False))
    assert one.verdict == "passed", "five do"
    (one,) = judged(parse_gate(GateEntry.model_validate("max_snr_db_to_fool <= 30")), *few)
    assert one.verdict == "error", "others need as many"
    for entry, suite, verdict in ((4, None, "passed"), (None, 4, "passed"), (6, 1, "error"), (None, 5, "error")):
        asked = GateEntry.model_validate({"gate": "success_rate <= 0.2", "min_clips": entry})
        assert judged(parse_gate(asked, suite), *few)[0].verdict == verdict, "the gate's own comes before the suite's"


def test_clips_that_are_left_out_are_told() -> None:
    wrong = [attacked(name, outcome="clean_wrong", success=None) for name in "abcd"]
    (one,) = judged(gate("success_rate <= 0.2"), attacked("e", fooled=False), *wrong)
    assert one.reason.endswith("over 1 clip (4 clips left out, misheard before any attack)")


def test_a_victim_that_heard_nothing_is_an_error_of_every_gate_on_its_artefacts() -> None:
    silent = {"w": "connection refused"}
    found = judge(gate("success_rate <= 1"), [attacked("a")], (0,), (), silent)
    assert [(one.victim, one.verdict) for one in found] == [("v", "passed"), ("w", "error")]
    assert found[1].reason == "it heard none of the clean clips, so nothing was crafted: connection refused"
    assert [one.victim for one in judge(gate("success_rate <= 1", victim="v"), [attacked("a")], (0,), (), silent)] == ["v"]
    assert [one.victim for one in judge(gate("wer_clean <= 1"), [clean("a", "turn it on")], (0,), (), silent)] == ["v"]
