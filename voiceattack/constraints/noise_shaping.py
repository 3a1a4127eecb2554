"""Rounding to 16 bits whose noise lies where it is hidden: an error-feedback quantiser that follows the masking threshold.

Noise shaping after Cutler (1960): the error of each sample is fed into the next ones through a filter, so that the noise takes
the filter's spectrum. No filter lowers its mean level in decibels over the spectrum (Gerzon & Craven 1989); the filters here are
those of linear prediction on the inverse of what is hidden, one a frame, so that the noise is lowest where least is hidden.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_toeplitz

__all__ = ["filters", "quantise"]

ORDER = 24
RANGE_DB = 45.0
"""Between the most and the least hidden part of a frame that a filter follows: more would amplify the whole noise for nothing."""
FLOOR = 1e-6  # of the power added to the diagonal, so that prediction stays stable
FULL = 32768.0


def filters(amplitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coefficients float (frames, 24) of the filters whose magnitude follows ``amplitude``, float (bins, frames), > 0."""
    power = np.square(amplitude)
    power = np.maximum(power, power.max(axis=0) * 10.0 ** (-RANGE_DB / 10.0))
    correlation = np.fft.irfft(1.0 / power, axis=0)[: ORDER + 1]
    found = np.empty((power.shape[1], ORDER))
    for frame, row in enumerate(correlation.T):
        column = row[:ORDER].copy()
        column[0] *= 1.0 + FLOOR
        found[frame] = -solve_toeplitz(column, row[1 : ORDER + 1])
    return found


def quantise(
    clip: NDArray[np.float64], delta: NDArray[np.float64], coefficients: NDArray[np.float64], hop: int
) -> NDArray[np.float32]:
    """``clip + delta`` on the 16-bit grid, float32 (samples,), the noise of rounding shaped frame by frame.

    Args:
        clip: float (samples,), on the grid; where ``delta`` is 0 it stays as it is, and no error is carried across.
        delta: float (samples,).
        coefficients: float (frames, order), of frames whose middles are ``hop`` samples apart, the first at sample 0.
        hop: samples.
    """
    whole = _loop()(np.rint(clip * FULL), delta * FULL, coefficients, hop)
    rounded: NDArray[np.float32] = (whole / FULL).astype(np.float32)
    return rounded


@lru_cache(maxsize=1)
def _loop() -> Any:
    """The loop over samples, compiled when it is first needed."""
    import numba

    @numba.njit
    def loop(clip: Any, delta: Any, coefficients: Any, hop: int) -> Any:
        frames, order = coefficients.shape
        errors = np.zeros(order)
        out = np.empty_like(clip)
        for n in range(len(clip)):
            if delta[n] == 0.0:
                out[n] = clip[n]
                errors[:] = 0.0
                continue
            row = min((n + hop // 2) // hop, frames - 1)
            wanted = clip[n] + delta[n]
            for i in range(order):
                wanted += coefficients[row, i] * errors[i]
            nearest = min(max(np.rint(wanted), -32768.0), 32767.0)
            for i in range(order - 1, 0, -1):
                errors[i] = errors[i - 1]
            # Clipped samples, or a filter that runs away, would feed back without end.
            errors[0] = min(max(nearest - wanted, -1.0), 1.0)
            out[n] = nearest
        return out

    return loop
