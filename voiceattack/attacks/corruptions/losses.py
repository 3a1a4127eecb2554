"""Parts of the signal gone: lost packets, silenced stretches, bits of each sample."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from voiceattack.attacks.corruptions.base import RATE, Corruption, Draws, Wave

__all__ = ["PACKET", "PacketLoss", "PacketLossConcealed", "Quantization", "TimeMask", "lose_packets"]

PACKET = RATE // 50
"""Samples of a packet: 20 ms."""
MEAN_BURST = 2.0
SHORTEST_PERIOD, LONGEST_PERIOD = RATE // 400, RATE // 66
HISTORY = 2 * LONGEST_PERIOD
FULL_SECONDS, SILENT_SECONDS = 0.010, 0.060
OVERLAP = RATE // 250


def lose_packets(clip: Wave, percent: float, draws: Draws, *, conceal: bool) -> Wave:
    """A clip without some of its 20 ms packets, by Gilbert's two-state model (1960) with bursts of two packets on average.

    Args:
        clip: float64 (samples,).
        percent: of packets lost in the long run, in [0, 100).
        draws: to draw from; the lost packets are written down.
        conceal: whether the last pitch period is repeated, fading from 10 to 60 ms as in ITU-T G.711 appendix I, instead of
            silence. What differs from that: the period is searched once a gap.
    """
    packets = -(-len(clip) // PACKET)
    chances = draws.rng.random(packets)
    heals = 1 / MEAN_BURST
    breaks = heals * percent / (100 - percent)
    lost, bad = [], False
    for index, chance in enumerate(chances):
        bad = chance < (percent / 100 if index == 0 else 1 - heals if bad else breaks)
        if bad:
            lost.append(index)
    draws.facts.update(lost_packets=lost, packets=packets)
    out: Wave = clip.copy()
    for first, count in _runs(lost):
        start, end = first * PACKET, min((first + count) * PACKET, len(clip))
        out[start:end] = _continued(out[max(0, start - HISTORY) : start], end - start) if conceal else 0.0
        if conceal and end < len(clip):
            after = _continued(out[max(0, start - HISTORY) : start], end - start + OVERLAP)[end - start :]
            blend = np.linspace(0.0, 1.0, OVERLAP)[: len(clip) - end]
            out[end : end + len(blend)] = blend * out[end : end + len(blend)] + (1 - blend) * after[: len(blend)]
    return out


def _runs(places: list[int]) -> list[tuple[int, int]]:
    """Neighbouring places as (first, count)."""
    found: list[tuple[int, int]] = []
    for place in places:
        if found and sum(found[-1]) == place:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((place, 1))
    return found


def _continued(history: Wave, samples: int) -> Wave:
    """What comes after ``history`` if its last pitch period goes on, fading."""
    if len(history) < HISTORY or not history.any():
        return np.zeros(samples)
    recent = history[-LONGEST_PERIOD:]
    lags = range(SHORTEST_PERIOD, LONGEST_PERIOD + 1)
    alike = [float(recent @ history[-LONGEST_PERIOD - lag : -lag]) for lag in lags]
    norms = [float(np.linalg.norm(history[-LONGEST_PERIOD - lag : -lag])) + 1e-9 for lag in lags]
    period = history[-lags[int(np.argmax(np.divide(alike, norms)))] :]
    time = np.arange(samples) / RATE
    fade = np.clip((SILENT_SECONDS - time) / (SILENT_SECONDS - FULL_SECONDS), 0.0, 1.0)
    return np.resize(period, samples) * fade


class PacketLoss(Corruption):
    """Silence where packets are lost."""

    name: ClassVar[str] = "corruption:packet_loss"
    summary: ClassVar[str] = "lost packets replaced by silence, %"

    @property
    def random(self) -> bool:
        return True

    def apply(self, clip: Wave, draws: Draws) -> Wave:
        return lose_packets(clip, self.value, draws, conceal=False)


class PacketLossConcealed(Corruption):
    """The last pitch period where packets are lost."""

    name: ClassVar[str] = "corruption:packet_loss_concealed"
    summary: ClassVar[str] = "lost packets concealed, %"

    @property
    def random(self) -> bool:
        return True

    def apply(self, clip: Wave, draws: Draws) -> Wave:
        return lose_packets(clip, self.value, draws, conceal=True)


class Quantization(Corruption):
    """Samples rounded to a number of bits of full scale; speech that is quieter than half a step becomes silence."""

    name: ClassVar[str] = "corruption:quantization"
    summary: ClassVar[str] = "fewer bits a sample"

    def apply(self, clip: Wave, draws: Draws) -> Wave:
        step = 2.0 ** (1 - self.value)
        return np.asarray(np.round(clip / step) * step)


class TimeMask(Corruption):
    """Stretches of 100 ms silenced, in drawn places that do not overlap; those of a lower severity are among a higher one's."""

    name: ClassVar[str] = "corruption:time_mask"
    summary: ClassVar[str] = "100 ms stretches silenced, % of the clip"

    @property
    def random(self) -> bool:
        return True

    def apply(self, clip: Wave, draws: Draws) -> Wave:
        size = RATE // 10
        slots = -(-len(clip) // size)
        chosen = sorted(draws.rng.permutation(slots)[: max(1, round(self.value / 100 * slots))].tolist())
        out: Wave = clip.copy()
        for slot in chosen:
            out[slot * size : (slot + 1) * size] = 0.0
        draws.facts.update(masks_seconds=[round(slot * size / RATE, 1) for slot in chosen])
        return out
