"""Something beside the speech, at a signal-to-noise ratio: white noise, surroundings, music, another speaker."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from voiceattack.attacks.corruptions.base import RATE, Corruption, Draws, Wave
from voiceattack.audio import clips as audio
from voiceattack.corpus import Utterance, clip_at, read_corpus
from voiceattack.corpus.mixing import mix_at_snr
from voiceattack.corpus.non_speech import no_speech
from voiceattack.errors import AttackError, AudioError, SpecError
from voiceattack.metrics.signal import snr_db

__all__ = ["Crosstalk", "EnvironmentalNoise", "GaussianNoise", "Music"]

TOLERANCE_DB = 0.1
SURROUNDINGS = ("pink-noise", "mains-hum", "keyboard", "knocks", "breathing", "siren")
"""Kinds of :mod:`voiceattack.corpus.non_speech` that stand in for recordings."""


class _Noise(Corruption):
    """Adds what :meth:`noise` gives, so loud that the SNR over the whole clip is the severity's, after 16-bit rounding."""

    @property
    def random(self) -> bool:
        return True

    def noise(self, clip: Wave, draws: Draws) -> Tensor:
        """float (samples,), as long as the clip, not silent."""
        raise NotImplementedError

    def apply(self, clip: Wave, draws: Draws) -> Wave:
        speech = torch.from_numpy(clip.astype(np.float32))
        mixed = mix_at_snr(speech, self.noise(clip, draws), self.value)
        reached = snr_db(speech, mixed)
        if abs(reached - self.value) > TOLERANCE_DB:
            raise AttackError(
                f"{self.value:g} dB SNR cannot be reached here, the nearest is {reached:.1f} dB: this noise clips at full scale, "
                "or is below the rounding of so quiet a clip to 16 bits; use other noise or a louder clip"
            )
        return np.asarray(mixed.double().numpy())


class GaussianNoise(_Noise):
    """White Gaussian noise."""

    name: ClassVar[str] = "corruption:gaussian_noise"
    summary: ClassVar[str] = "white noise, dB SNR"

    def noise(self, clip: Wave, draws: Draws) -> Tensor:
        return torch.from_numpy(draws.rng.standard_normal(len(clip)))


class EnvironmentalNoise(_Noise):
    """A stretch of a recording in the folder ``noise``; without one, a synthetic sound drawn from those of a home or a street.

    The stand-in keeps the command complete without data; figures that are to mean something about a place need its recordings.
    """

    name: ClassVar[str] = "corruption:environmental_noise"
    summary: ClassVar[str] = "recordings of your own or a stand-in, dB SNR"

    class Params(Corruption.Params):
        """``noise``: folder, manifest or file of recordings."""

        noise: str | None = Field(None, description="folder, manifest or file of recordings; a synthetic stand-in when left out")

    config: Params

    def noise(self, clip: Wave, draws: Draws) -> Tensor:
        if self.config.noise is not None:
            return _stretch(_recording(self.config.noise, "noise", draws), len(clip), draws)
        return _made(str(draws.rng.choice(SURROUNDINGS)), len(clip), draws)


class Music(_Noise):
    """A stretch of a recording in the folder ``music``; without one, plucked chords."""

    name: ClassVar[str] = "corruption:music"
    summary: ClassVar[str] = "recordings of your own or plucked chords, dB SNR"

    class Params(Corruption.Params):
        """``music``: folder, manifest or file of recordings."""

        music: str | None = Field(None, description="folder, manifest or file of recordings; plucked chords when left out")

    config: Params

    def noise(self, clip: Wave, draws: Draws) -> Tensor:
        if self.config.music is not None:
            return _stretch(_recording(self.config.music, "music", draws), len(clip), draws)
        return _made("music", len(clip), draws)


class Crosstalk(_Noise):
    """Another utterance, of the folder ``speech`` or of the run's own; from a drawn place on, repeated when it is shorter."""

    name: ClassVar[str] = "corruption:crosstalk"
    summary: ClassVar[str] = "another utterance of the corpus, dB SNR"

    class Params(Corruption.Params):
        """``speech``: folder, manifest or file of other speakers; the run's own clips when left out."""

        speech: str | None = Field(
            None, description="folder, manifest or file of other speakers; the clips of the run when left out"
        )

    config: Params

    def noise(self, clip: Wave, draws: Draws) -> Tensor:
        if self.config.speech is not None:
            return _stretch(_recording(self.config.speech, "speech", draws), len(clip), draws)
        return _stretch(self._other(clip, draws), len(clip), draws)

    def _other(self, clip: Wave, draws: Draws) -> Tensor:
        """The first other clip in an order drawn by name, so that a clip more or less in the corpus seldom changes it."""
        salt = int(draws.rng.integers(2**32))
        wanted = None if self.drawn is None else self.drawn.get("pcm_sha256")
        own = torch.from_numpy(clip.astype(np.float32))
        clips = sorted(self.corpus, key=lambda one: (_rank(salt, one), one.place))
        if self.drawn is not None and "path" in self.drawn:
            clips.append(clip_at(str(self.drawn["path"])))  # a clip that was in the corpus and not crafted from
        for one in clips:
            try:
                other = audio.quantize16(one.load()[0])
            except AudioError:
                continue  # its own example says what is wrong with it
            digest = audio.pcm_sha256(other)
            if (wanted is None or digest == wanted) and bool(other.any()) and not torch.equal(other, own):
                draws.facts.update(recording=_called(one), path=one.place, pcm_sha256=digest)
                return other
        if wanted is not None:
            raise AttackError(
                f"the utterance that was laid over this one (sha256 {wanted}) is neither in the run nor where it was"
            )
        raise AttackError("crosstalk needs a second utterance: give more clips, or --param speech=FOLDER")


def _called(one: Utterance) -> str:
    """The file's stem; a part of a file has a name of its own."""
    return one.path.stem if one.segment is None and one.packed is None else one.name


def _rank(salt: int, one: Utterance) -> str:
    return hashlib.sha256(f"{salt}:{_called(one)}".encode()).hexdigest()


def _recording(place: str, what: str, draws: Draws) -> Tensor:
    """One of the recordings at ``place``, drawn by its place in the order of names."""
    found = {one.place: one for one in read_corpus((place,)) if isinstance(one, Utterance)}
    clips = [found[name] for name in sorted(found, key=lambda name: Path(name).as_posix())]
    if not clips:
        raise SpecError(f"--param {what}={place}: no audio there; give a folder, a manifest or a file")
    one = clips[int(draws.rng.integers(len(clips)))]
    recording = audio.quantize16(one.load()[0])
    if not bool(recording.any()):
        raise AttackError(f"{one.place}: is silent, so it has no signal-to-noise ratio; leave it out")
    draws.facts.update(recording=Path(one.place).name, pcm_sha256=audio.pcm_sha256(recording))
    return recording


def _stretch(recording: Tensor, samples: int, draws: Draws) -> Tensor:
    """``samples`` of a recording from a drawn place on, over and over when it is shorter; never all silent."""
    start = int(draws.rng.integers(len(recording)))
    found = recording.roll(-start).repeat(-(-samples // len(recording)))[:samples]
    if not bool(found.any()):
        start = int(recording.abs().argmax())
        found = recording.roll(-start).repeat(-(-samples // len(recording)))[:samples]
    draws.facts.update(start_seconds=round(start / RATE, 4))
    return found


def _made(kind: str, samples: int, draws: Draws) -> Tensor:
    seed = int(draws.rng.integers(2**31))
    draws.facts.update(kind=kind, kind_seed=seed)
    return no_speech(kind, samples / RATE + 0.01, seed)[:samples]
