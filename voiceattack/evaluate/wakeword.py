"""A wake-word detector over thresholds and noise: how often it misses its phrase, and how often an hour it hears it elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from voiceattack.audio.clips import SAMPLE_RATE, pcm_sha256, quantize16
from voiceattack.corpus.mixing import mix_at_snr
from voiceattack.corpus.non_speech import no_speech
from voiceattack.errors import SpecError, as_error
from voiceattack.metrics.intervals import poisson, wilson
from voiceattack.metrics.wakeups import wake_ups
from voiceattack.progress import Progress
from voiceattack.runs.provenance import example_seed
from voiceattack.victims.base import Victim

__all__ = ["THRESHOLDS", "Detector", "Stream", "Sweep", "add_noise", "sweep"]

THRESHOLDS = (*(round(0.05 * step, 2) for step in range(1, 20)), 0.97, 0.98, 0.99)


@runtime_checkable
class Detector(Protocol):
    """A victim that tells its probability over time, as ``wakeword:...`` do.

    Attributes:
        spec: names it.
        threshold: its own, in (0, 1).
        frame_seconds: from one mean to the next.
    """

    spec: str
    threshold: float

    @property
    def frame_seconds(self) -> float:
        """From one mean to the next."""

    def means(self, clip: Tensor) -> list[float]:
        """What is compared with the threshold after each frame of a clip float (samples,) at 16 kHz, in [0, 1]; one at least."""


@dataclass(frozen=True)
class Stream:
    """What a detector made of one clip in one noise: its means over time; ``seconds`` is the clip's length."""

    means: list[float]
    seconds: float


@dataclass(frozen=True)
class Sweep:
    """All that was heard.

    Attributes:
        victim: spec of the detector.
        own_threshold: its own.
        frame_seconds: from one mean to the next.
        thresholds: those asked for and its own, ascending.
        said: by SNR in dB (None is without noise), the clips that say the phrase.
        other: likewise, the clips that do not.
    """

    victim: str
    own_threshold: float
    frame_seconds: float
    thresholds: tuple[float, ...]
    said: dict[float | None, list[Stream]]
    other: dict[float | None, list[Stream]]

    def points(self) -> list[dict[str, Any]]:
        """One dict an SNR and threshold: ``victim, snr_db, threshold, own_threshold, n, missed, miss_rate, miss_ci95,
        false_accepts, hours, false_accepts_per_hour, false_accepts_ci95``. Intervals are of 95%: Wilson's for misses, the exact
        one of a Poisson count for false accepts; None where there is nothing to count over."""
        return [self._point(snr_db, threshold) for snr_db in self.said for threshold in self.thresholds]

    def _point(self, snr_db: float | None, threshold: float) -> dict[str, Any]:
        said, other = self.said[snr_db], self.other[snr_db]
        missed = sum(max(stream.means) <= threshold for stream in said)
        wrong = sum(wake_ups(stream.means, threshold, self.frame_seconds) for stream in other)
        hours = sum(stream.seconds for stream in other) / 3600
        interval = poisson(wrong)
        return {
            "victim": self.victim,
            "snr_db": snr_db,
            "threshold": threshold,
            "own_threshold": threshold == self.own_threshold,
            "n": len(said),
            "missed": missed,
            "miss_rate": missed / len(said) if said else None,
            "miss_ci95": wilson(missed, len(said)),
            "false_accepts": wrong,
            "hours": hours,
            "false_accepts_per_hour": wrong / hours if hours else None,
            "false_accepts_ci95": (interval[0] / hours, interval[1] / hours) if hours else None,
        }


def add_noise(clip: Tensor, snr_db: float | None, kind: str, seed: int) -> Tensor:
    """A clip float32 (samples,) with noise of :mod:`voiceattack.corpus.non_speech` over all of it, on the 16-bit grid.

    Args:
        clip: at 16 kHz; digital silence, over which there is no SNR, stays as it is.
        snr_db: clip over noise, both over the whole length, dB; None adds nothing.
        kind: of the noise.
        seed: of the noise.

    Raises:
        SpecError: no such kind, or one that is silent.
    """
    if snr_db is None:
        return quantize16(clip)
    noise = no_speech(kind, len(clip) / SAMPLE_RATE, seed)[: len(clip)]
    if not bool(noise.any()):
        raise SpecError(f"noise {kind!r} is silent; choose another, for example white-noise or pink-noise")
    return mix_at_snr(clip, noise, snr_db) if bool(clip.any()) else quantize16(clip)


def sweep(
    detector: Detector | Victim,
    said: Sequence[Tensor],
    other: Sequence[Tensor],
    *,
    snrs_db: Sequence[float | None] = (None,),
    thresholds: Sequence[float] = THRESHOLDS,
    noise: str = "white-noise",
    seed: int = 0,
    on_progress: Progress | None = None,
    on_error: Callable[[str, int, str], None] | None = None,
) -> Sweep:
    """Hear every clip in every noise once; all thresholds are read off that.

    Args:
        detector: who listens; each clip begins with it just started.
        said: clips float32 (samples,) at 16 kHz that say the phrase once.
        other: clips that do not say it: speech, noise.
        snrs_db: of the noise added to both, dB; None is without.
        thresholds: in (0, 1).
        noise: kind of the noise, see :data:`voiceattack.corpus.non_speech.KINDS`.
        seed: of the noise; each clip has its own.
        on_progress: called with (clips done, clips in all, noise).
        on_error: called with ("said" or "other", the clip's place there, one line) for each clip that the detector cannot hear;
            such a clip is left out at every noise. None raises the first.

    Raises:
        SpecError: a threshold out of range, an unknown noise, or a victim that tells no probabilities over time.
    """
    if not isinstance(detector, Detector):
        raise SpecError(
            f"victim {detector.spec!r} tells no probability over time; name a wake-word detector, as wakeword:hey_jarvis"
        )
    for threshold in thresholds:
        if not 0 < threshold < 1:
            raise SpecError(f"threshold {threshold:g} must be between 0 and 1")
    levels = list(dict.fromkeys(snrs_db))
    found: dict[str, dict[float | None, list[Stream]]] = {name: {snr_db: [] for snr_db in levels} for name in ("said", "other")}
    done, total = 0, (len(said) + len(other)) * len(levels)
    for name, clips in (("said", said), ("other", other)):
        for index, clip in enumerate(clips):
            own = example_seed(seed, pcm_sha256(clip), "wakeword-sweep")
            streams: dict[float | None, Stream] = {}
            for snr_db in levels:
                noisy = add_noise(clip, snr_db, noise, own)
                try:
                    streams[snr_db] = Stream(detector.means(noisy), len(clip) / SAMPLE_RATE)
                except Exception as error:  # a detector may be anybody's code
                    if on_error is None:
                        raise
                    on_error(name, index, str(as_error(error)))
                    break
                done += 1
                if on_progress is not None:
                    on_progress(done, total, "clean" if snr_db is None else f"{snr_db:g} dB")
            else:
                for snr_db, stream in streams.items():
                    found[name][snr_db].append(stream)
    every = tuple(sorted({*thresholds, detector.threshold}))
    return Sweep(detector.spec, detector.threshold, detector.frame_seconds, every, found["said"], found["other"])
