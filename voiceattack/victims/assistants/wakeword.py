"""``wakeword:hey_jarvis``: microWakeWord's streaming detector; what it hears is its phrase, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from voiceattack.audio.clips import SAMPLE_RATE, Batch
from voiceattack.errors import SpecError
from voiceattack.extras import optional_import
from voiceattack.metrics.wakeups import wake_ups
from voiceattack.victims.base import Transcript, Victim
from voiceattack.victims.options import take_number

__all__ = ["WORDS", "WakeWordVictim", "load"]

WORDS = ("okay_nabu", "hey_jarvis", "hey_mycroft", "alexa")
FIRST, STEP = 480, 160  # samples in the first feature's window, and from one feature to the next
TAIL_SECONDS = 0.5  # of silence after each clip, for a stream goes on and the detector answers late


class WakeWordVictim(Victim):
    """A detector as a device runs it: frame by frame, the mean of its last probabilities against its cutoff.

    Each clip begins with a detector just started. The transcript is the phrase where the mean passed the cutoff at any time, else
    empty; ``details`` has ``probability`` (the highest mean), ``frames`` (the sum of the probabilities of single frames),
    ``wake_ups`` (how often a device would have woken) and, where the phrase was heard, ``seconds``: how much of the clip the
    detector had taken in by then.

    Args:
        word: one of :data:`WORDS`.
        threshold: cutoff in (0, 1); None takes the model's own.
    """

    capabilities: ClassVar[frozenset[str]] = frozenset({"hears", "scores"})

    def __init__(self, word: str, threshold: float | None = None) -> None:
        package = optional_import("pymicro_wakeword", extra="assistant", feature="the wake-word detector")
        self._detector: Any = package.MicroWakeWord.from_builtin(package.Model(word))
        self._features: Any = package.MicroWakeWordFeatures
        self.phrase = word.replace("_", " ")
        self.threshold = float(self._detector.probability_cutoff) if threshold is None else threshold

    def probabilities(self, clip: Tensor) -> list[float]:
        """The probability of each frame (30 ms or so) of one clip, float (samples,) at 16 kHz, and of the silence after it."""
        self._detector.reset()
        samples = np.concatenate([clip.detach().cpu().numpy(), np.zeros(round(TAIL_SECONDS * SAMPLE_RATE), np.float32)])
        pcm = np.clip(np.round(samples * 32768.0), -32768, 32767).astype("<i2").tobytes()
        found = []
        kept = self._detector._probabilities
        for seen, features in enumerate(self._features().process_streaming(pcm), 1):
            self._detector.process_streaming_prob(features)
            if seen % self._detector.stride == 0 and kept:
                found.append(float(kept[-1]))
        return found

    @property
    def frame_seconds(self) -> float:
        """From one probability to the next."""
        return float(self._detector.stride) * STEP / SAMPLE_RATE

    def means(self, clip: Tensor) -> list[float]:
        """What the detector compares with its cutoff after each frame of a clip float (samples,) at 16 kHz, one at least: the
        mean of the last few probabilities, 0 before there are so many."""
        return self._means(self.probabilities(clip))

    def _means(self, frames: Sequence[float]) -> list[float]:
        width = int(self._detector.sliding_window_size)
        whole = np.convolve(frames, np.ones(width), "valid") / width if len(frames) >= width else np.zeros(0)
        return [0.0] * max(1, min(len(frames), width - 1)) + [float(mean) for mean in whole]

    def seconds_at(self, frame: int) -> float:
        """Seconds of a clip that the detector has taken in when it gives the probability of ``frame``, from 0."""
        features = (frame + 1) * int(self._detector.stride)
        return (FIRST + (features - 1) * STEP) / SAMPLE_RATE

    def transcribe(self, batch: Batch) -> list[Transcript]:
        heard = []
        for clip in batch.clips():
            frames = self.probabilities(clip)
            means = self._means(frames)
            woken = wake_ups(means, self.threshold, self.frame_seconds)
            details = {"probability": max(means), "frames": sum(frames), "wake_ups": woken}
            first = next((index for index, mean in enumerate(means) if mean > self.threshold), None)
            if first is not None:
                details["seconds"] = self.seconds_at(first)
            heard.append(Transcript("" if first is None else self.phrase, details))
        return heard

    def score(self, batch: Batch, texts: Sequence[str]) -> Tensor:
        """The sum of the frames' probabilities, float (batch,): higher is nearer to the phrase, whatever ``texts`` say.

        The highest mean, which decides, saturates near 1 and would guide no search.
        """
        return torch.tensor([sum(self.probabilities(clip)) for clip in batch.clips()])

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "phrase": self.phrase, "threshold": self.threshold}


def load(rest: str, options: dict[str, str], device: torch.device) -> WakeWordVictim:
    """``wakeword:<word>?threshold=0.9``.

    Raises:
        SpecError: no such word, or no threshold in (0, 1).
        MissingExtraError: without the extra ``assistant``.
    """
    if rest not in WORDS:
        raise SpecError(f"wakeword:{rest}: no such detector; choose {', '.join(WORDS)}")
    if "threshold" not in options:
        return WakeWordVictim(rest)
    threshold = take_number(f"wakeword:{rest}", dict(options), "threshold", 0.5, 0, 1)
    if not 0 < threshold < 1:
        raise SpecError(f"wakeword: threshold {options['threshold']!r} must be a number between 0 and 1")
    return WakeWordVictim(rest, threshold)
