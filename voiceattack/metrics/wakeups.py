"""How often a wake-word detector wakes, from its probabilities over time."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["DEAF_SECONDS", "wake_ups"]

DEAF_SECONDS = 1.0
"""After a detection the detector counts no other for so long, as a device that has woken does not wake again."""


def wake_ups(means: Sequence[float], threshold: float, frame_seconds: float) -> int:
    """Detections in a stream of means: one passes the threshold, then :data:`DEAF_SECONDS` of none.

    Args:
        means: what is compared with the threshold, one a frame, in [0, 1].
        threshold: in (0, 1).
        frame_seconds: from one frame to the next.
    """
    found, deaf_until = 0, 0.0
    for index, mean in enumerate(means):
        if mean > threshold and index * frame_seconds >= deaf_until:
            found, deaf_until = found + 1, index * frame_seconds + DEAF_SECONDS
    return found
