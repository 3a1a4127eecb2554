"""The figures that gates speak of, worked out by hand on a few samples."""

from __future__ import annotations

import math
from typing import Any

import pytest
from result_lines import result

from voiceattack.metrics.intervals import bootstrap_order, bootstrap_ratio, poisson, wilson
from voiceattack.suite.figures import Condition, Figure
from voiceattack.suite.gate_metrics import UNSCORED, UNTRIED, all_figures, always
from voiceattack.suite.samples import HeardClip, Kind, Sample


def attacked(clip: str, kind: Kind = "attack", registered: str = "pgd", **changes: Any) -> Sample:
    """An artefact of a clip, or its noise: "turn it on" was said, "turn it of" heard at 20 dB, which is a success."""
    row = result(**{"id": clip, **({"control_for": "x"} if kind == "control" else {}), **changes})
    return Sample(kind, "v", registered, registered, registered, 0, frozenset(), "cell", clip, row)


def held(clip: str, **changes: Any) -> Sample:
    unharmed = {"success": False, "outcome": "held", "hypothesis": "turn it on", "wer": 0.0, "cer": 0.0}
    return attacked(clip, **{**unharmed, **changes})


def heard(clip: str, kind: Kind = "no-speech", **changes: Any) -> Sample:
    """A clip of a minute without an attack."""
    nothing: dict[str, Any] = {"reference": None, "hypothesis": "", "words": 0, "wer": None, "wake_ups": None, "error": None}
    facts = {"audio": clip, "source_sha256": "", "victim": "v", "language": "en", "audio_seconds": 60.0, **nothing, **changes}
    return Sample(kind, "v", "", "", "", None, frozenset(), "", clip, HeardClip(id=clip, **facts))


def figure(name: str, *samples: Sample, condition: Condition = always) -> Figure:
    return all_figures()[name].compute(samples, condition)


def at_least_30_db(sample: Sample) -> bool:
    return (sample.snr_db or 0.0) >= 30


def test_success_is_over_the_clips_scored_and_the_quietest_hit_is_the_worst() -> None:
    wrong = attacked("c", outcome="clean_wrong", success=None)
    found = figure("success_rate", attacked("a"), held("b"), wrong, attacked("d", snr_db=25), attacked("e", snr_db=None))
    assert (found.value, found.interval, found.n, found.note) == (
        3 / 4,
        wilson(3, 4),
        4,
        "1 clip left out, misheard before any attack",
    )
    assert found.worst is not None and found.worst.clip == "d"
    assert figure("success_rate", attacked("a")).value == 1.0 and figure("success_rate", held("a")).worst is None
    assert figure("success_rate", wrong) == Figure(None, None, note=UNSCORED)


def test_how_many_of_those_that_fool_are_masked_everywhere() -> None:
    loud, unknown = attacked("a", strictly_masked=0.0), attacked("c", strictly_masked=None)
    found = figure("strictly_masked_rate", loud, attacked("b", strictly_masked=1.0), held("d", strictly_masked=0.0), unknown)
    assert (found.value, found.interval, found.n) == (1 / 2, wilson(1, 2), 2)
    nothing = figure("strictly_masked_rate", held("d", strictly_masked=1.0))
    assert nothing.value is None and "no artefact fooled" in nothing.note


def test_a_clip_counts_once_however_many_of_its_artefacts_fool() -> None:
    final, stages = (
        attacked("a"),
        [attacked("a", id="a.32", stage_of="a", snr_db=32), attacked("a", id="a.41", stage_of="a", snr_db=41)],
    )
    for order in ([final, *stages], [final, *stages[::-1]]):
        found = figure("success_rate", *order, held("b", snr_db=35), condition=at_least_30_db)
        assert found.value == 1 / 2 and found.worst is not None and found.worst.id == "a.41"
    unmeasured = attacked("a", id="a.x", stage_of="a", snr_db=None)
    for order in ([final, unmeasured], [unmeasured, final]):
        found = figure("success_rate", *order, condition=lambda sample: True)
        assert found.worst is not None and found.worst.id == "a", "a size that is not known is no quieter one"


def test_clips_that_were_not_tried_at_a_size_are_left_out_and_told() -> None:
    found = figure("success_rate", attacked("a", snr_db=40), held("b"), condition=at_least_30_db)
    assert (found.value, found.n, found.note) == (1.0, 1, "1 clip left out, not tried at these sizes")
    assert figure("success_rate", held("b"), condition=at_least_30_db) == Figure(None, None, note=UNTRIED)
    # A search for the smallest perturbation has tried every size, and an unknown attack none but its own.
    assert figure("success_rate", held("b", registered="cw"), condition=at_least_30_db).value == 0.0
    assert figure("success_rate", held("b", registered="elsewhere"), condition=at_least_30_db).note == UNTRIED


def test_noise_has_figures_of_its_own() -> None:
    samples = [attacked("a"), held("a", kind="control"), attacked("b"), attacked("b", kind="control")]
    assert figure("success_rate", *samples).value == 1.0 and figure("control_success_rate", *samples).value == 1 / 2
    assert figure("wer", *samples).value == 2 / 6 and figure("control_wer", *samples).value == 1 / 6


def test_error_rates_are_over_the_corpus() -> None:
    long = attacked("a", reference="a b c d e f", hypothesis="a b c d e x", wer=1 / 6, cer=1 / 11)
    invented = attacked("b", reference="go", hypothesis="go go go go", wer=3.0, cer=4.5)
    found = figure("wer", long, invented, attacked("c", outcome="error", wer=None, cer=None))
    assert (found.value, found.n) == (4 / 7, 2) and found.interval == bootstrap_ratio([1, 3], [6, 1])
    assert found.worst is invented and figure("wer", held("a")).worst is None
    assert figure("wer_capped", long, invented).value == 2 / 7
    assert figure("cer", long, invented).value == (1 + 9) / (11 + 2)
    assert figure("wer").note == "no clip with a reference was heard"


def test_of_several_artefacts_of_a_clip_the_one_that_did_most_harm_counts() -> None:
    mild, bad = attacked("a", id="a.1", stage_of="a"), attacked("a", hypothesis="off", wer=1.0)
    for order in ([mild, bad], [bad, mild], [held("a"), bad], [bad, held("a")]):
        found = figure("wer", *order, held("b"), condition=lambda sample: True)
        assert (found.value, found.n) == (3 / 6, 2)
    for order in ([mild, held("a")], [held("a"), mild]):
        assert figure("wer", *order, condition=lambda sample: True).value == 1 / 3


def test_clean_error_rates_are_of_clean_clips_heard_that_have_a_text() -> None:
    clean = heard("a", "clean", reference="Turn it ON.", hypothesis="turn it of")
    failed = heard("b", "clean", reference="go", error="no such file")
    samples = [clean, failed, heard("c", "clean", hypothesis="go"), heard("d", hypothesis="go", reference="stop"), attacked("e")]
    assert (figure("wer_clean", *samples).value, figure("wer_clean", *samples).n) == (1 / 3, 1)
    assert figure("cer_clean", *samples).value == 1 / 10
    assert figure("wer_clean", heard("a", "clean", reference="a", hypothesis="a")).value == 0.0


def test_the_snr_that_fools_is_the_highest_of_each_clip_and_never_is_minus_infinity() -> None:
    samples = [
        attacked("a", snr_db=12),
        attacked("a", id="s", stage_of="a", snr_db=15),
        attacked("b", snr_db=30),
        held("c", snr_db=50),
    ]
    never = "1 of 3 clips were never fooled"
    for name, value, pick in (("max", 30.0, max), ("min", -math.inf, min)):
        found = figure(f"{name}_snr_db_to_fool", *samples)
        assert (found.value, found.n, found.note) == (value, 3, never)
        assert found.interval == bootstrap_order([15, 30, -math.inf], pick)
        assert found.worst is samples[2]
    assert figure("median_snr_db_to_fool", *samples).value == 15
    assert figure("median_snr_db_to_fool", *samples[:3]).value == 15 and figure("max_snr_db_to_fool", *samples[:3]).note == ""
    wrong = attacked("a", outcome="clean_wrong", success=None)
    assert figure("max_snr_db_to_fool", wrong) == Figure(None, None, note=UNSCORED)


def test_medians_of_sizes_name_the_example_that_speaks_most_against_the_victim() -> None:
    sizes = [attacked(str(size), snr_db=size, linf=linf) for size, linf in ((10, 0.3), (20, 0.2), (40, 0.4))]
    samples = [*sizes, attacked("unknown", snr_db=None), attacked("noise", kind="control", snr_db=0)]
    snr = figure("snr_db_median", *samples)
    assert (snr.value, snr.n, snr.worst) == (20, 3, sizes[0]) and snr.interval is not None
    assert figure("snr_db_median", *sizes[:2]).value == 10, "no mean of two"
    assert figure("pesq_median", *sizes).note == "no artefact has a pesq"


def test_errors_of_crafting_are_over_what_was_attacked() -> None:
    failed = attacked("a", outcome="error", error="x")
    stage = attacked("a", id="s", stage_of="a", outcome="error")
    assert (figure("error_rate", failed, stage, attacked("b")).value, figure("error_rate").note) == (
        1 / 2,
        "nothing was attacked",
    )


def test_words_where_nobody_speaks() -> None:
    samples = [heard("a", words=2), heard("b"), heard("c", words=5, audio_seconds=30.0), heard("d", words=9, error="x")]
    false = figure("false_transcript_rate", *samples)
    assert (false.value, false.n, false.interval) == (2 / 3, 3, wilson(2, 3))
    invented = figure("invented_words_per_minute", *samples)
    assert (invented.value, invented.n) == (7 / 2.5, 3) and invented.worst is samples[2]
    assert invented.interval == bootstrap_ratio([2, 0, 5], [1, 1, 0.5])
    assert figure("invented_words_per_minute", heard("b")).worst is None
    for name in ("false_transcript_rate", "invented_words_per_minute", "false_accepts_per_hour"):
        assert figure(name, samples[3]).note == "no clip without speech was heard"


def test_false_accepts_an_hour() -> None:
    samples = [heard("a", wake_ups=1, audio_seconds=1800.0), heard("b", wake_ups=3, audio_seconds=5400.0), heard("c")]
    found = figure("false_accepts_per_hour", *samples, heard("d", wake_ups=9, error="x"))
    low, high = poisson(4)
    assert (found.value, found.interval, found.n) == (2.0, (low / 2, high / 2), 2) and found.worst is samples[1]
    quiet = figure("false_accepts_per_hour", heard("a", wake_ups=0))
    assert (quiet.value, quiet.worst) == (0.0, None)
    assert figure("false_accepts_per_hour", heard("c")).note == "the victim has no wake word"


def test_transcripts_that_repeat_themselves_adversarial_or_without_speech() -> None:
    loop = "thank you " * 4
    samples = [heard("a", hypothesis=loop), heard("b"), attacked("c", hypothesis=loop), attacked("d")]
    left_out = [heard("e", error="x"), attacked("f", outcome="error"), attacked("g", stage_of="c"), attacked("h", kind="control")]
    found = figure("repetition_loop_rate", *samples, *left_out)
    assert (found.value, found.n) == (2 / 4, 4) and figure("repetition_loop_rate").note == "nothing was heard"


def test_rates_of_what_rows_say() -> None:
    wrong, right, failed = (
        attacked(c, action_error=e, outcome=o)
        for c, e, o in zip("abc", (True, False, True), ("fooled", "held", "error"), strict=True)
    )
    assert (
        figure("action_error_rate", wrong, right, failed, attacked("d")).value,
        figure("action_error_rate", wrong, right, failed, attacked("d")).n,
    ) == (1 / 2, 2)
    assert "takes no action" in figure("action_error_rate", attacked("d")).note
    terms = [attacked(c, critical_terms=n, critical_term_errors=k) for c, n, k in (("a", 4, 1), ("b", 1, 1), ("c", 0, 0))]
    found = figure("critical_term_error_rate", *terms, attacked("d", critical_terms=3, critical_term_errors=3, outcome="error"))
    assert (found.value, found.n, found.worst) == (2 / 5, 2, terms[1]) and found.interval == bootstrap_ratio([1, 1], [4, 1])
    assert figure("critical_term_error_rate", attacked("d")).note == "no result has critical_terms"


@pytest.mark.parametrize(("name", "worse"), [("wer", "more"), ("snr_db_median", "less"), ("pesq_median", "less")])
def test_which_way_is_worse_for_the_victim(name: str, worse: str) -> None:
    assert all_figures()[name].worse == worse


def timed(clip: str, seconds: float | None, clean: float | None, tokens: int | None = None, **changes: Any) -> Sample:
    told = {"seconds": seconds, "clean_seconds": clean, "rtf": seconds, "tokens": tokens, "clean_tokens": 4, "note": None}
    return held(clip, timing={**told, "note": None if seconds and clean else "the first hearing is left out"}, **changes)


def test_time_and_tokens_are_gates_over_what_was_timed() -> None:
    samples = [timed("a", 0.1, 0.1, 4), timed("b", 0.6, 0.2, 48), timed("c", 0.2, None), held("d")]
    slowest = figure("rtf_p95", *samples)
    assert (slowest.value, slowest.n, slowest.note) == (0.6, 3, "1 artefact without a figure left out")
    assert slowest.worst is not None and slowest.worst.clip == "b" and figure("rtf_p50", *samples).value == 0.2
    ratio = figure("latency_ratio_p95", *samples)
    assert ratio.value == pytest.approx(3.0) and ratio.n == 2 and ratio.interval is not None
    assert figure("tokens_ratio_max", *samples).value == 12.0 and figure("tokens_ratio_p50", *samples).value == 1.0
    untimed = figure("latency_ratio_p95", timed("c", 0.2, None))
    assert untimed.value is None and untimed.note == "no artefact has a latency_ratio: the first hearing is left out"
    assert "does not tell" in figure("tokens_ratio_max", held("d")).note
