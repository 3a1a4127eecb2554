"""Every metric against an independent implementation or a value worked out by hand."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Callable
from pathlib import Path

import jiwer
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from voiceattack.audio import load
from voiceattack.metrics import measure, metrics
from voiceattack.metrics.error_rate import ErrorRate
from voiceattack.metrics.intervals import bootstrap_ratio, wilson
from voiceattack.metrics.repetition import loops
from voiceattack.metrics.signal import db_x, l2, linf, seg_snr_db, snr_db
from voiceattack.metrics.terms import term_errors
from voiceattack.metrics.text import cer, compared, cut_note, letters, normalize, wer, word_errors

SAMPLES = Path(__file__).parents[2] / "samples"
vocabulary = st.sampled_from(["turn", "on", "off", "the", "lamp", "door", "a", "unlock"])
words = st.lists(vocabulary, min_size=1, max_size=8).map(" ".join)


def hand_distance(reference: list[str], hypothesis: list[str]) -> int:
    """Levenshtein distance by the textbook recurrence, independent of jiwer."""
    row = list(range(len(hypothesis) + 1))
    for i, said in enumerate(reference, 1):
        before, row[0] = row[0], i
        for j, heard in enumerate(hypothesis, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (said != heard))
    return row[-1]


@settings(deadline=None)
@given(reference=words, hypothesis=words | st.just(""))
def test_wer_and_cer_against_the_recurrence_and_jiwer(reference: str, hypothesis: str) -> None:
    expected = hand_distance(reference.split(), hypothesis.split()) / len(reference.split())
    assert wer(reference, hypothesis) == pytest.approx(expected) == pytest.approx(jiwer.wer(reference, hypothesis))
    assert cer(reference, hypothesis) == pytest.approx(hand_distance(list(reference), list(hypothesis)) / len(reference))


def test_counts_by_hand() -> None:
    counts = word_errors("turn on the lamp", "turn off the big lamp now")
    assert (counts.hits, counts.substitutions, counts.deletions, counts.insertions) == (3, 1, 0, 2)
    assert counts.wer == pytest.approx(3 / 4)


@pytest.mark.parametrize("call", [lambda: wer("", "a"), lambda: cer(" ", "a"), lambda: ErrorRate().update(" ", "a")])
def test_what_is_undefined_raises(call: object) -> None:
    with pytest.raises(ValueError, match="empty"):
        call()  # type: ignore[operator]


def test_where_no_spaces_set_words_apart_characters_are_counted() -> None:
    said, heard = normalize("打开厨房的灯", "zh"), normalize("打开厨房的门", "zh")
    assert cer(said, heard, "zh") == wer(said, heard) == pytest.approx(1 / 6) and letters(said, "zh") == 6
    assert cer("ab c", "ab d") == pytest.approx(1 / 4) and letters("ab c") == 4


def test_of_a_very_long_text_whole_words_are_compared() -> None:
    assert compared("ab cd", 5) == "ab cd" and compared("ab cde", 5) == "ab" and compared("ab cd e", 5) == "ab cd"
    assert compared("abcdef", 5) == "abcde"
    assert cut_note(transcript="a" * 50_000, clean_transcript=None) == []
    (note,) = cut_note(clean_transcript="a" * 50_001)
    assert note == "the clean transcript has 50,001 characters, of which the first 50,000 are compared"


@pytest.mark.parametrize(
    ("raw", "folded"),
    [("Turn ON, the lamp!", "turn on the lamp"), ("ten metres", "10 meters"), ("...", ""), (" . ", ""), ("♪ ♪", "")],
)
def test_normalisation(raw: str, folded: str) -> None:
    assert normalize(raw) == folded


def test_sizes_by_hand() -> None:
    clean = torch.tensor([0.5, -0.5, 0.5, -0.5])
    adversarial = clean + torch.tensor([0.05, 0.0, 0.0, 0.0])
    assert linf(clean, adversarial) == pytest.approx(0.05, rel=1e-5)
    assert l2(clean, adversarial) == pytest.approx(0.05, rel=1e-5)
    assert db_x(clean, adversarial) == pytest.approx(-20.0, abs=1e-4)  # a tenth of the peak
    assert snr_db(clean, adversarial) == pytest.approx(10 * math.log10(1.0 / 0.0025), abs=1e-4)
    assert snr_db(clean, clean) == math.inf and db_x(clean, clean) == -math.inf
    assert snr_db(torch.zeros(4), adversarial) == -math.inf


def test_segmental_snr_by_hand() -> None:
    # Two 20 ms frames: one at 20 dB, one at 0 dB, and a silent third that is left out.
    clean = torch.cat([torch.full((320,), 0.1), torch.full((320,), 0.01), torch.zeros(320)])
    adversarial = clean + 0.01
    assert seg_snr_db(clean, adversarial) == pytest.approx((20 + 0) / 2, abs=1e-3)
    assert seg_snr_db(clean, clean + 1e-6) == pytest.approx(35.0), "clamped"
    assert seg_snr_db(clean, clean) == math.inf and math.isnan(seg_snr_db(torch.zeros(640), clean[:640]))
    assert seg_snr_db(clean[:100], clean[:100] + 0.01) == pytest.approx(20, abs=1e-3), "shorter than a frame"
    with pytest.raises(ValueError, match="one shape"):
        snr_db(clean, clean[:-1])


@pytest.mark.parametrize("metric", [snr_db, seg_snr_db, l2, linf, db_x])
def test_sizes_are_of_two_signals_of_at_least_one_sample(metric: Callable[[torch.Tensor, torch.Tensor], float]) -> None:
    one = torch.tensor([0.5])
    assert math.isfinite(metric(one, 0.9 * one))
    for wrong in (one[:0], one[None]):
        with pytest.raises(ValueError, match="one shape"):
            metric(wrong, wrong)


@pytest.mark.parametrize(("successes", "n"), [(0, 7), (3, 7), (7, 7), (50, 100), (1, 1)])
def test_wilson_against_scipy(successes: int, n: int) -> None:
    expected = binomtest(successes, n).proportion_ci(0.95, method="wilson")
    assert wilson(successes, n) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert wilson(0, 0) is None
    with pytest.raises(ValueError):
        wilson(2, 1)


def test_bootstrap_is_repeatable_and_covers() -> None:
    rng = np.random.default_rng(1)
    errors, lengths = rng.integers(0, 5, 40).tolist(), [10] * 40
    low, high = bootstrap_ratio(errors, lengths)  # type: ignore[misc]
    assert bootstrap_ratio(errors, lengths) == (low, high)
    assert low < sum(errors) / 400 < high
    # For equal lengths the ratio is a mean: the interval must agree with the normal approximation.
    half = 1.96 * float(np.std(np.array(errors) / 10)) / math.sqrt(40)
    assert (high - low) / 2 == pytest.approx(half, rel=0.15)
    assert bootstrap_ratio([], []) is None


def speech() -> torch.Tensor:
    row = json.loads((SAMPLES / "manifest.jsonl").read_text().splitlines()[0])
    return load(SAMPLES / row["audio_filepath"])


def test_perceptual_metrics_are_the_packages() -> None:
    pesq_package, stoi_package = pytest.importorskip("pesq"), pytest.importorskip("pystoi")
    clean = speech()
    noisy = clean + 0.01 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    values, nulls = measure(clean, noisy)
    assert values["pesq"] == pytest.approx(pesq_package.pesq(16_000, clean.numpy(), noisy.numpy(), "wb"))
    assert values["stoi"] == pytest.approx(stoi_package.stoi(clean.numpy(), noisy.numpy(), 16_000))
    assert nulls == {}
    values, nulls = measure(clean[:1600], noisy[:1600])
    assert values["pesq"] is values["stoi"] is None
    assert "PESQ is undefined here: " in nulls["pesq"] and "STOI is undefined here: " in nulls["stoi"]


def test_undefined_metrics_are_null_with_a_reason() -> None:
    values, nulls = measure(torch.zeros(16_000), torch.full((16_000,), 0.01))
    assert values["snr_db"] is None and "silence" in nulls["snr_db"]
    clean = speech()
    values, nulls = measure(clean, clean)
    assert values["snr_db"] is None and "zero" in nulls["snr_db"] and values["linf"] == 0.0
    known = [metric for metric in metrics() if metric.of == "signals"]
    always = {metric.name for metric in known if "results" in metric.shows}  # others only where they are installed
    assert always <= set(values) <= {metric.name for metric in known}
    assert all((value is None) == (name in nulls) for name, value in values.items())
    if importlib.util.find_spec("pesq") is None:
        assert "voiceattack[perceptual]" in nulls["pesq"]


def test_critical_terms_are_counted_as_often_as_they_are_said() -> None:
    said = "Set the kitchen and the living room lights to thirty percent, the kitchen first."
    assert term_errors(said, said, ["kitchen", "living room", "30%"]) == (0, 4)
    assert term_errors(said, "set the kitchen lights to thirteen", ["Kitchen", "kitchen", "living room", "cellar"]) == (2, 3)
    assert term_errors("unlock", "unlocked", ["unlock"]) == (1, 1), "whole words only"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", False),
        ("no no no no", False),
        ("you " * 6, True),
        ("thank you " * 3, False),
        ("i said thank you " + "thank you " * 3 + "bye", True),
        ("the quick brown fox jumps over the lazy dog the quick brown fox", False),
        ("turn on the light " * 4, True),
        ("you " * 5, False),
        (" ".join("abcdefghijkl" * 4), True),
        (" ".join("abcdefghijklm" * 4), False),
    ],
)
def test_repetition_loops(text: str, expected: bool) -> None:
    assert loops(text) is expected
