"""How an engine hears with Whisper's weights: what it pads, and what it prompts. The same weights hear differently in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from voiceattack.victims.options import take_choice

if TYPE_CHECKING:
    from voiceattack.victims.whisper.log_mel import LogMel

__all__ = ["PLAIN", "DecodingMode", "features", "parse_modes"]

FrontEnd = Literal["audio-pad", "feature-pad"]
HOP = 160  # samples a frame
FRONT_ENDS: tuple[FrontEnd, ...] = ("audio-pad", "feature-pad")


@dataclass(frozen=True)
class DecodingMode:
    """One way to decode the same weights.

    Attributes:
        frontend: ``audio-pad`` pads the sound with silence before its features are computed (OpenAI's code, transformers);
            ``feature-pad`` pads the features with zeros, a loud constant in Whisper's scale (faster-whisper).
        timestamps: whether the decoder writes timestamps, as faster-whisper's does by default.
    """

    frontend: FrontEnd = "audio-pad"
    timestamps: bool = False

    @property
    def label(self) -> str:
        """For records: the options as a spec string writes them."""
        return f"frontend={self.frontend}&timestamps={'on' if self.timestamps else 'off'}"


PLAIN = DecodingMode()


def parse_modes(options: dict[str, str], spec: str) -> tuple[DecodingMode, ...]:
    """The modes that a spec's options name; both are taken out of ``options``.

    ``frontend`` is ``audio-pad`` (default), ``feature-pad`` or ``all``; ``timestamps`` is ``off`` (default), ``on`` or ``all``.
    ``frontend=all`` alone is every front end with and without timestamps.

    Raises:
        SpecError: another value.
    """
    frontend = take_choice(spec, options, "frontend", "audio-pad", (*FRONT_ENDS, "all"))
    timestamps = take_choice(spec, options, "timestamps", "all" if frontend == "all" else "off", ("on", "off", "all"))
    fronts = [name for name in FRONT_ENDS if frontend in (name, "all")]
    prompts = [False, True] if timestamps == "all" else [timestamps == "on"]
    return tuple(DecodingMode(name, stamped) for name in fronts for stamped in prompts)


def features(log_mel: LogMel, waveforms: Tensor, lengths: Tensor, frontend: str, frames: int | None = None) -> Tensor:
    """Input features float (batch, mels, frames) as ``frontend`` computes them, with gradients.

    Args:
        log_mel: the extractor.
        waveforms: float (batch, samples), zero in the padding.
        lengths: int (batch,), samples of each clip.
        frontend: ``audio-pad`` or ``feature-pad``.
        frames: only the first so many; None for the whole window.
    """
    mel: Tensor = log_mel(waveforms, frames)
    if frontend == "audio-pad":
        return mel
    # faster-whisper keeps the whole hops of the clip and fills the rest of the window with zeros.
    kept = torch.arange(mel.shape[-1], device=mel.device)[None, :] < (lengths.to(mel.device) // HOP)[:, None]
    return mel * kept[:, None, :]
