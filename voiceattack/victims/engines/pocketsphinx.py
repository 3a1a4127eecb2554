"""``pocketsphinx``: a classical HMM recogniser with the US English model that comes in its package; a black box."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from voiceattack.audio.clips import Batch, quantize16
from voiceattack.errors import SpecError
from voiceattack.extras import optional_import
from voiceattack.victims.base import Transcript, Victim

__all__ = ["SphinxVictim", "load"]


class SphinxVictim(Victim):
    """PocketSphinx with its default en-us model: one fresh decoder a clip, so that a transcript depends on its clip alone.

    Raises:
        MissingExtraError: pocketsphinx is not installed.
    """

    def __init__(self) -> None:
        module = optional_import("pocketsphinx", extra="sphinx", feature="victim pocketsphinx")
        self._new_decoder: Callable[..., Any] = module.Decoder

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "family": "hmm", "model": "pocketsphinx en-us", "device": "cpu"}

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return [Transcript(self._hear(clip)) for clip in batch.clips()]

    def _hear(self, clip: torch.Tensor) -> str:
        if not clip.numel():
            return ""
        samples = (quantize16(clip).cpu() * 32768.0).to(torch.int16).numpy()
        # A decoder carries more from clip to clip than its cepstral mean: digital silence was heard as another word after
        # speech, whatever was reset. A new one costs 0.2 s.
        decoder = self._new_decoder(loglevel="FATAL")
        decoder.start_utt()
        decoder.process_raw(samples.tobytes(), no_search=False, full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        return str(hypothesis.hypstr) if hypothesis is not None else ""


def load(rest: str, options: dict[str, str], device: torch.device) -> SphinxVictim:
    """Factory of the spec ``pocketsphinx`` (it takes no path and no options, and runs on the CPU)."""
    del device
    if rest:
        raise SpecError(f"victim pocketsphinx takes no path, got {rest}")
    return SphinxVictim()
