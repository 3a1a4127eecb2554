"""Coded and decoded again by libsndfile, in memory; lost packets on top."""

from __future__ import annotations

import io
from typing import Any, ClassVar

import numpy as np
import soundfile
import soxr
from pydantic import Field
from scipy.signal import butter, sosfilt

from voiceattack.attacks.corruptions.base import RATE, Corruption, Draws, Wave, fitted
from voiceattack.attacks.corruptions.losses import lose_packets
from voiceattack.errors import AttackError
from voiceattack.files import one_line

__all__ = ["GSM", "MP3", "Opus", "Telephone", "Vorbis"]

TELEPHONE_RATE = 8000
BLOCK_SECONDS = 10
MP3_DELAY = 1105
"""Samples by which LAME and a decoder are late together, where the stream has no room to say so (low bit rates)."""
MP3_LEVELS = {32.0: 0.85, 24.0: 0.9, 16.0: 0.95, 8.0: 0.98}
"""libsndfile's compression level by kbit/s at 16 kHz."""
OPUS_MOST, OPUS_LEAST = 256.0, 6.0
"""kbit/s at libsndfile's compression levels 0 and 1, linear between."""


def coded(clip: Wave, rate: int, format: str, subtype: str, draws: Draws, **options: Any) -> Wave:
    """A clip coded and decoded: float64, a little longer when the codec works in frames. Its bit rate is written down.

    Raises:
        AttackError: this libsndfile does not write the codec.
    """
    buffer = io.BytesIO()
    try:
        # In blocks: libsndfile's Vorbis overflows the stack with one write of some minutes.
        with soundfile.SoundFile(buffer, "w", rate, 1, format=format, subtype=subtype, **options) as file:
            for start in range(0, len(clip), BLOCK_SECONDS * rate):
                file.write(clip[start : start + BLOCK_SECONDS * rate])
        size = buffer.tell()
        buffer.seek(0)
        decoded, _ = soundfile.read(buffer, dtype="float64")
    except (soundfile.SoundFileError, ValueError) as error:
        raise AttackError(f"this libsndfile cannot code {subtype} in {format} ({one_line(error)}); update soundfile") from error
    draws.facts.update(kbit_per_second=round(8 * size / (len(clip) / rate) / 1000, 1))
    return np.asarray(decoded)


def _kept(wave: Wave, samples: int, start: int = 0) -> Wave:
    part = wave[start : start + samples]
    return np.pad(part, (0, samples - len(part)))


class _Line(Corruption):
    """A call at 8 kHz: to the lower rate, through the codec, packets lost and concealed, and back."""

    subtype: ClassVar[str]

    @property
    def random(self) -> bool:
        return self.value > 0

    def band(self, low: Wave) -> Wave:
        """What of the signal the line lets through."""
        return low

    def apply(self, clip: Wave, draws: Draws) -> Wave:
        low, _ = fitted(self.band(soxr.resample(clip, RATE, TELEPHONE_RATE, "VHQ")))
        heard = _kept(coded(low, TELEPHONE_RATE, "WAV", self.subtype, draws), len(low))
        back = _kept(soxr.resample(heard, TELEPHONE_RATE, RATE, "VHQ"), len(clip))
        return lose_packets(back, self.value, draws, conceal=True)


class Telephone(_Line):
    """ITU-T G.711 mu-law, behind a filter of 300 to 3400 Hz."""

    name: ClassVar[str] = "corruption:telephone"
    summary: ClassVar[str] = "8 kHz mu-law with lost packets, %"
    subtype: ClassVar[str] = "ULAW"

    def band(self, low: Wave) -> Wave:
        return np.asarray(sosfilt(butter(4, (300, 3400), "bandpass", fs=TELEPHONE_RATE, output="sos"), low))


class GSM(_Line):
    """GSM 06.10 full rate, 13 kbit/s."""

    name: ClassVar[str] = "corruption:gsm"
    summary: ClassVar[str] = "GSM 06.10 with lost packets, %"
    subtype: ClassVar[str] = "GSM610"


class _Codec(Corruption):
    """A codec for music and speech at 16 kHz.

    Loss is of 20 ms of the decoded signal, concealed: a real decoder, whose state is lost too, takes longer to recover.
    """

    class Params(Corruption.Params):
        """``loss``: % of packets lost."""

        loss: float = Field(0.0, ge=0, le=60, description="% of packets lost, concealed")

    config: Params

    @property
    def random(self) -> bool:
        return self.config.loss > 0

    def decoded(self, clip: Wave, draws: Draws) -> Wave:
        """The clip after the codec, aligned, of its length."""
        raise NotImplementedError

    def apply(self, clip: Wave, draws: Draws) -> Wave:
        heard = self.decoded(clip, draws)
        if not self.config.loss:
            return heard
        return lose_packets(heard, self.config.loss, draws, conceal=True)


class MP3(_Codec):
    """MPEG-2 layer III by LAME at a constant bit rate."""

    name: ClassVar[str] = "corruption:mp3"
    summary: ClassVar[str] = "MP3, kbit/s"

    def decoded(self, clip: Wave, draws: Draws) -> Wave:
        options = {"compression_level": MP3_LEVELS[self.value], "bitrate_mode": "CONSTANT"}
        wave = coded(clip, RATE, "MP3", "MPEG_LAYER_III", draws, **options)
        return _kept(wave, len(clip), MP3_DELAY if len(wave) > len(clip) else 0)


class Opus(_Codec):
    """Opus (RFC 6716)."""

    name: ClassVar[str] = "corruption:opus"
    summary: ClassVar[str] = "Opus, kbit/s"

    def decoded(self, clip: Wave, draws: Draws) -> Wave:
        level = (OPUS_MOST - self.value) / (OPUS_MOST - OPUS_LEAST)
        return _kept(coded(clip, RATE, "OGG", "OPUS", draws, compression_level=level), len(clip))


class Vorbis(_Codec):
    """Vorbis at a quality; libsndfile's lowest is 0.0, about 26 kbit/s here."""

    name: ClassVar[str] = "corruption:vorbis"
    summary: ClassVar[str] = "Vorbis, quality"

    def decoded(self, clip: Wave, draws: Draws) -> Wave:
        return _kept(coded(clip, RATE, "OGG", "VORBIS", draws, compression_level=1.0 - self.value), len(clip))
