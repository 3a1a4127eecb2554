"""Corpus error rates, against jiwer over lists of texts."""

from __future__ import annotations

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceattack.metrics.error_rate import ErrorRate
from voiceattack.metrics.intervals import bootstrap_ratio
from voiceattack.metrics.text import word_errors

text = st.lists(st.sampled_from(["turn", "on", "off", "the", "lamp"]), max_size=6).map(" ".join)


@settings(deadline=None)
@given(st.lists(st.tuples(text.filter(bool), text), min_size=1, max_size=8))
def test_against_jiwer(clips: list[tuple[str, str]]) -> None:
    rate = ErrorRate()
    for reference, hypothesis in clips:
        rate.update(reference, hypothesis)
    references, hypotheses = map(list, zip(*clips, strict=True))
    assert rate.compute() == pytest.approx(jiwer.wer(references, hypotheses))
    assert rate == ErrorRate.of(word_errors(*clip) for clip in clips)
    assert rate.interval() == bootstrap_ratio(rate.errors, rate.lengths)


def test_it_is_no_mean_of_rates() -> None:
    rate = ErrorRate()
    rate.update("a b c d", "a b c d")
    rate.update("e", "f")
    assert rate.compute() == pytest.approx(1 / 5)


def test_capped_a_repetition_loop_counts_as_often_as_there_are_words() -> None:
    rate = ErrorRate()
    rate.update("lamp on", "lamp lamp lamp lamp lamp")
    rate.update("go now", "go now")
    assert rate.compute() == pytest.approx(4 / 4) and rate.capped().compute() == pytest.approx(2 / 4)
    assert rate.errors == [4, 0], "the rate itself stays"


def test_without_a_clip_there_is_none() -> None:
    assert ErrorRate().compute() is None and ErrorRate().interval() is None


def test_a_reference_without_a_word_is_refused_and_not_counted() -> None:
    rate = ErrorRate()
    with pytest.raises(ValueError, match="empty"):
        rate.update(" ", "lamp")
    assert rate == ErrorRate()
