"""One signal over another at a signal-to-noise ratio."""

from __future__ import annotations

import math

from torch import Tensor

from voiceattack.audio.clips import quantize16
from voiceattack.metrics.signal import snr_db as measured_snr_db

__all__ = ["mix_at_snr"]

TOLERANCE_DB = 0.01
MOST_ROUNDS = 12


def mix_at_snr(clip: Tensor, noise: Tensor, snr_db: float) -> Tensor:
    """``clip + gain * noise``, float32 (samples,) on the 16-bit grid, whose SNR over the whole clip is ``snr_db``.

    What is clipped at full scale takes noise away, so the gain is raised until the SNR of the sum, as it is saved, is right to
    0.01 dB. Where no gain gives that (sparse noise that clips, noise below the rounding to 16 bits), the nearest that was met is
    returned; measure it where that matters.

    Args:
        clip: float (samples,) in [-1, 1], not silent.
        noise: float (samples,), not silent.
        snr_db: ``10 log10(sum clip^2 / sum (sum - clip)^2)``, dB.

    Raises:
        ValueError: one of them is silent, or they differ in length.
    """
    if clip.shape != noise.shape:
        raise ValueError(f"need signals of one length, got {tuple(clip.shape)} and {tuple(noise.shape)}")
    speech, over = clip.double(), noise.double()
    power = float(over.square().mean())
    if power == 0 or not bool((speech != 0).any()):
        raise ValueError("one of the signals is silent, so no gain gives them a signal-to-noise ratio")
    gain = (float(speech.square().mean()) * 10 ** (-snr_db / 10) / power) ** 0.5
    best, best_error = clip.float(), math.inf
    low, high = 0.0, math.inf
    for number in range(2 * MOST_ROUNDS):
        mixed = _sum(speech, over, gain)
        error_db = measured_snr_db(clip, mixed) - snr_db
        if abs(error_db) < best_error:
            best, best_error = mixed, abs(error_db)
        if abs(error_db) <= TOLERANCE_DB:
            break
        low, high = (max(low, gain), high) if error_db > 0 else (low, min(high, gain))
        if number >= MOST_ROUNDS and 0 < low < high < math.inf:
            gain = math.sqrt(low * high)  # the steps of rounding throw the rule below to and fro
        else:
            gain *= 10 ** (min(error_db, 20.0) / 20)
    return best


def _sum(speech: Tensor, noise: Tensor, gain: float) -> Tensor:
    return quantize16((speech + gain * noise).clamp(-1, 1).float())
