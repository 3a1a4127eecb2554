"""Sound in and out: 16 kHz mono batches, files of every kind, 16-bit artefacts with their tag."""

from __future__ import annotations

from voiceattack.audio.clips import (
    SAMPLE_RATE,
    AudioInfo,
    Batch,
    carry_back,
    file_sha256,
    info,
    load,
    load_with_warnings,
    pcm16,
    pcm_sha256,
    quantize16,
    read_comment,
    save,
    text_sha256,
)

__all__ = [
    "SAMPLE_RATE",
    "AudioInfo",
    "Batch",
    "carry_back",
    "file_sha256",
    "info",
    "load",
    "load_with_warnings",
    "pcm16",
    "pcm_sha256",
    "quantize16",
    "read_comment",
    "save",
    "text_sha256",
]
