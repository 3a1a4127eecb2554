"""A room around the speaker, simulated."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from scipy.signal import fftconvolve

from voiceattack.attacks.corruptions.base import RATE, Corruption, Draws, Wave
from voiceattack.extras import optional_import

__all__ = ["Reverberation", "room_response"]

LEAST_REFLECTIONS, REFLECTIONS_A_SECOND = 20, 30
"""A sound that rings longer is reflected more often before it has lost the 30 dB that are measured."""
ROUNDS = 5
CLOSE = 0.02
DECAY_DB = 30.0
WALL_METRES = 1.0


class Reverberation(Corruption):
    """A shoebox room of a drawn size with drawn places in it, by image sources (Allen & Berkley 1979) in pyroomacoustics.

    The absorption is fitted until the room's measured RT60 (the first 30 dB of the decay, doubled) is the severity's. The source
    takes recorded responses in four bins instead. The clip grows by the response; its level is that of the direct sound.
    """

    name: ClassVar[str] = "corruption:reverberation"
    summary: ClassVar[str] = "a simulated room, s RT60"

    @property
    def random(self) -> bool:
        return True

    def apply(self, clip: Wave, draws: Draws) -> Wave:
        response, facts = room_response(self.value, draws.rng)
        draws.facts.update(facts)
        return np.asarray(fftconvolve(clip, response))


def room_response(rt60_seconds: float, rng: np.random.Generator) -> tuple[Wave, dict[str, Any]]:
    """An impulse response float64 (samples,) at 16 kHz whose direct sound comes first and is 1, and what was drawn.

    Args:
        rt60_seconds: time in which the sound decays by 60 dB, in [0.2, 2].
        rng: draws the room, the speaker's place and the microphone's.

    Raises:
        MissingExtraError: pyroomacoustics is not installed.
    """
    pra = optional_import("pyroomacoustics", extra="rooms", feature="the corruption reverberation")
    size = np.array([rng.uniform(7.0, 11.0), rng.uniform(6.0, 9.0), rng.uniform(3.0, 4.5)])
    speaker, microphone = (
        np.array([*(rng.uniform(WALL_METRES, side - WALL_METRES) for side in size[:2]), height]) for height in (1.6, 1.1)
    )
    reflections = LEAST_REFLECTIONS + round(REFLECTIONS_A_SECOND * rt60_seconds)
    surface = 2 * (size[0] * size[1] + size[0] * size[2] + size[1] * size[2])
    # Eyring's formula to begin with. The room's shape and the cut after so many reflections make it wrong: measure and mend.
    exponent = 0.161 * float(np.prod(size)) / (surface * rt60_seconds)
    for _ in range(ROUNDS):
        absorption = 1 - math.exp(-exponent)
        room = pra.ShoeBox(size, fs=RATE, materials=pra.Material(absorption), max_order=reflections)
        room.add_source(speaker)
        room.add_microphone(microphone)
        room.compute_rir()
        response = np.asarray(room.rir[0][0], dtype=np.float64)
        measured = float(pra.experimental.measure_rt60(response, fs=RATE, decay_db=DECAY_DB))
        if abs(measured / rt60_seconds - 1) < CLOSE:
            break
        exponent *= min(2.0, max(0.5, measured / rt60_seconds))
    direct = int(np.abs(response[: _samples_to(np.linalg.norm(speaker - microphone)) + 60]).argmax())
    facts = {
        "room_metres": [round(float(side), 3) for side in size],
        "speaker_metres": [round(float(side), 3) for side in speaker],
        "microphone_metres": [round(float(side), 3) for side in microphone],
        "absorption": round(absorption, 4),
        "rt60_seconds": round(measured, 4),
    }
    return response[direct:] / response[direct], facts


def _samples_to(metres: Any) -> int:
    return round(float(metres) / 343.0 * RATE)
