"""Wake-ups counted by hand in streams of means."""

from __future__ import annotations

from voiceattack.metrics.wakeups import wake_ups


def test_after_a_detection_there_is_a_second_of_none() -> None:
    assert wake_ups([0.9] * 9, 0.5, 0.25) == 3, "at 0, 1 and 2 s"
    assert wake_ups([0.9] * 8, 0.5, 0.25) == 2
    assert wake_ups([0.0, 0.9, 0.0, 0.0, 0.9, 0.9], 0.5, 0.25) == 2, "at 0.25 and 1.25 s; not at 1 s"


def test_a_mean_passes_the_threshold_and_does_not_only_reach_it() -> None:
    assert wake_ups([0.5, 0.4], 0.5, 2.0) == 0 and wake_ups([], 0.5, 2.0) == 0
    assert wake_ups([0.51, 0.4, 0.51], 0.5, 2.0) == 2
