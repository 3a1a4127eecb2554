"""A time window: the only samples that a perturbation may change."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import Tensor

from voiceattack.audio.clips import SAMPLE_RATE
from voiceattack.errors import SpecError

__all__ = ["Window", "speech_mask"]

FRAME, HOP = 400, 160  # 25 and 10 ms
UNDER_LOUDEST_DB = 30.0
MARGIN = 5  # hops around speech that count as speech, 50 ms


@dataclass(frozen=True)
class Window:
    """From ``start`` to ``end`` in seconds (infinity: the clip's end), or, when ``start`` is None, while speech is on."""

    start: float | None
    end: float

    @classmethod
    def parse(cls, text: str) -> Window:
        """``"speech"``, ``"0-1"`` in seconds, or ``"2-"`` up to the end.

        Raises:
            SpecError: it reads otherwise, or ends before it starts.
        """
        if text.strip() == "speech":
            return cls(None, float("inf"))
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*-\s*(\d+(?:\.\d+)?)?\s*", text)
        if match is None:
            raise SpecError(f"window {text!r} must read 'speech', START-END or START- in seconds, for example 0-1")
        start, end = float(match[1]), float(match[2]) if match[2] else float("inf")
        if not start < end:
            raise SpecError(f"window {text!r} must end after it starts")
        return cls(start, end)

    def mask(self, clip: Tensor) -> Tensor:
        """bool (samples,): where the clean ``clip``, float (samples,), may be changed."""
        if self.start is None:
            return speech_mask(clip)
        seconds = torch.arange(len(clip), device=clip.device) / SAMPLE_RATE
        return (seconds >= self.start) & (seconds < self.end)


def speech_mask(clip: Tensor) -> Tensor:
    """bool (samples,): frames of 25 ms no softer than 30 dB under the clip's loudest, and 50 ms around them."""
    if not bool((clip != 0).any()):
        return torch.zeros_like(clip, dtype=torch.bool)
    padded = torch.nn.functional.pad(clip, (FRAME // 2, FRAME))
    power = padded.unfold(0, FRAME, HOP).square().mean(dim=1)
    on = (power >= power.max() * 10.0 ** (-UNDER_LOUDEST_DB / 10.0)).to(clip)
    wide = torch.nn.functional.max_pool1d(on[None, None], 2 * MARGIN + 1, 1, MARGIN)[0, 0] > 0
    return wide.repeat_interleave(HOP)[: len(clip)]
