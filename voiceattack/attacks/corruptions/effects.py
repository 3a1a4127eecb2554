"""Echo, phaser, tremolo, chorus: SoX's effects, written out."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from voiceattack.attacks.corruptions.base import RATE, Corruption, Draws, Wave

__all__ = ["Chorus", "Echo", "Phaser", "Tremolo", "phaser"]


class Echo(Corruption):
    """One echo: ``0.9 (0.8 x(t) + 0.3 x(t - delay))``, heard to its end, so the clip grows by the delay."""

    name: ClassVar[str] = "corruption:echo"
    summary: ClassVar[str] = "one echo, ms"

    def apply(self, clip: Wave, draws: Draws) -> Wave:
        delay = round(self.value * RATE / 1000)
        return 0.9 * (0.8 * np.pad(clip, (0, delay)) + 0.3 * np.pad(clip, (delay, 0)))


class Phaser(Corruption):
    """Fed back through a delay of up to 3 ms that swings at 0.5 Hz."""

    name: ClassVar[str] = "corruption:phaser"
    summary: ClassVar[str] = "a swept comb, decay"

    def apply(self, clip: Wave, draws: Draws) -> Wave:
        return phaser(clip, decay=self.value)


def phaser(
    clip: Wave, decay: float, *, gain_in: float = 0.4, gain_out: float = 0.74, delay_ms: float = 3.0, speed_hz: float = 0.5
) -> Wave:
    """SoX's phaser with a sine, as ``torchaudio.functional.phaser`` has it, without clipping and fifty times as fast.

    Args:
        clip: float64 (samples,) at 16 kHz.
        decay: of what is fed back, in [0, 1).
        gain_in, gain_out: amplitude factors.
        delay_ms: longest delay.
        speed_hz: of the swing.
    """
    size = int(delay_ms * RATE / 1000 + 0.5)
    period = int(RATE / speed_hz + 0.5)
    turn = 2 * np.pi * np.arange(period) / period + np.pi / 2
    swing = np.floor((np.sin(turn) + 1) / 2 * (size - 1) + 1 + 0.5).astype(int).tolist()
    memory = [0.0] * size
    place, out = 0, []
    for n, sample in enumerate((clip * gain_in).tolist()):
        now = sample + memory[(place + swing[n % period]) % size] * decay
        place = (place + 1) % size
        memory[place] = now
        out.append(now)
    return np.asarray(out) * gain_out


class Tremolo(Corruption):
    """Loudness swinging between full and ``1 - depth`` at 20 Hz."""

    name: ClassVar[str] = "corruption:tremolo"
    summary: ClassVar[str] = "loudness swinging at 20 Hz, % depth"

    def apply(self, clip: Wave, draws: Draws) -> Wave:
        time = np.arange(len(clip)) / RATE
        return clip * (1 - self.value / 100 * (0.5 - 0.5 * np.cos(2 * np.pi * 20 * time)))


class Chorus(Corruption):
    """A second voice, delayed by a time that swings by 2 ms at 0.25 Hz: ``0.9 (0.7 x(t) + 0.4 x(t - delay))``.

    The clip keeps its length: what the second voice says after its end is cut.
    """

    name: ClassVar[str] = "corruption:chorus"
    summary: ClassVar[str] = "a second, wavering voice, ms"

    def apply(self, clip: Wave, draws: Draws) -> Wave:
        samples = np.arange(len(clip), dtype=np.float64)
        delay = (self.value + 2 * (0.5 - 0.5 * np.cos(2 * np.pi * 0.25 * samples / RATE))) * RATE / 1000
        second = np.interp(samples - delay, samples, clip, left=0.0)
        return 0.9 * (0.7 * clip + 0.4 * second)
