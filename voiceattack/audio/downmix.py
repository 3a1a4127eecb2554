"""Several channels as one: their mean, unless they cancel in it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["CANCELLED", "Polarity"]

CANCELLED = 0.2
"""Channels cancel when their mean has less than this part of the energy that it would have if they were unrelated."""

ALIKE = 0.25
"""The first channel with at least this part of the loudest one's energy is the one that the others are compared with."""


class Polarity:
    """Gathers, block by block, how channels go together; says which to turn over so that they do not cancel in their mean.

    Wires of one channel swapped, or a "wide stereo" effect, leave next to nothing of a voice in the mean of the channels.
    """

    def __init__(self, channels: int) -> None:
        self._frames = 0
        self._sums = np.zeros(channels)
        self._products = np.zeros((channels, channels))

    def add(self, block: NDArray[np.float32]) -> None:
        """One block, float32 (frames, channels)."""
        wide = block.astype(np.float64)
        self._frames += len(wide)
        self._sums += wide.sum(axis=0)
        self._products += wide.T @ wide

    def signs(self) -> tuple[NDArray[np.float32], float] | None:
        """+1 or -1 a channel, and the energy of their mean against that of the channels, dB; None where nothing cancels."""
        channels = len(self._sums)
        if channels < 2 or not self._frames:
            return None
        # Without the constant part, which may be large in cheap converters and is not heard.
        covariance = self._products / self._frames - np.outer(self._sums, self._sums) / self._frames**2
        energies = covariance.diagonal()
        mean = max(float(covariance.sum()), 0.0) / channels**2
        if float(energies.mean()) <= 0 or mean >= CANCELLED / channels * float(energies.mean()):
            return None
        reference = int(np.argmax(energies >= ALIKE * energies.max()))
        signs = np.where(covariance[reference] < 0, -1.0, 1.0).astype(np.float32)
        if (signs > 0).all():
            return None
        return signs, float(10 * np.log10(max(mean / float(energies.mean()), 1e-12)))
