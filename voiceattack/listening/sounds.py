"""What listeners are sent: WAV files that say nothing of what they are, and a sound to set the volume by."""

from __future__ import annotations

import io
from collections.abc import Sequence

import soundfile
import torch
from torch import Tensor

from voiceattack.audio import clips as audio
from voiceattack.listening.abx import Trial
from voiceattack.runs.run import Run

__all__ = ["loudness_check", "trial_sounds"]

CHECK_SECONDS = 4.0
MOST_MEASURED = 10


def trial_sounds(run: Run, trial: Trial) -> dict[str, bytes]:
    """``a``, ``b`` and ``x`` of a trial, of equal length and without metadata.

    Raises:
        VoiceAttackError: a file of the run cannot be read.
    """
    waves = {name: audio.load(run.resolve(getattr(trial, name))) for name in ("clean", "adversarial")}
    length = max(map(len, waves.values()))
    padded = {name: torch.nn.functional.pad(wave, (0, length - len(wave))) for name, wave in waves.items()}
    return {letter: _wav(padded[kind]) for letter, kind in (("a", trial.a), ("b", trial.b), ("x", trial.x))}


def loudness_check(run: Run, trials: Sequence[Trial]) -> bytes:
    """Noise with the slope of speech's spectrum, as loud as the clean clips are in the median (root mean square), so that the
    volume is set before the first trial by a sound that gives none of them away.

    Raises:
        VoiceAttackError: a file of the run cannot be read.
    """
    names = list(dict.fromkeys(trial.clean for trial in trials))[:MOST_MEASURED]
    levels = torch.stack([audio.load(run.resolve(name)).square().mean().sqrt() for name in names])
    samples = round(CHECK_SECONDS * audio.SAMPLE_RATE)
    spectrum = torch.fft.rfft(torch.randn(samples, generator=torch.Generator().manual_seed(0)))
    hertz = torch.fft.rfftfreq(samples, 1 / audio.SAMPLE_RATE)
    # Long-term speech: level to 500 Hz, then about 6 dB an octave down (Byrne et al. 1994, smoothed).
    noise = torch.fft.irfft(spectrum * (hertz > 100) / (hertz / 500).clamp_min(1.0), n=samples)
    noise = noise / noise.square().mean().sqrt() * levels.median()
    fade = torch.linspace(0, 1, audio.SAMPLE_RATE // 4)
    noise[: len(fade)] *= fade
    noise[-len(fade) :] *= fade.flip(0)
    return _wav(noise.clamp(-1, 1))


def _wav(wave: Tensor) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, wave.numpy(), audio.SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return out.getvalue()
