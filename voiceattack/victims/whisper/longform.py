"""Recordings longer than Whisper's window: heard whole by its own sequential long-form path, attacked window by window.

Long-form decoding writes timestamps and starts each window of 30 s where the last complete segment of the one before ended
(Radford et al. 2022, section 3.8); an incomplete last window is filled with zeros in the scale of the features. An attack
changes where windows start, so a search works on those of the clean recording, and only the whole recording, heard again, says
what it achieved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from voiceattack.audio.clips import Batch
from voiceattack.victims.base import AttackLoss, DifferentiableVictim, LossConfig, LossSession
from voiceattack.victims.pretrained import quiet_transformers
from voiceattack.victims.whisper.frontends import DecodingMode, features
from voiceattack.victims.whisper.log_mel import HOP
from voiceattack.victims.whisper.model import MUTE_TEXT, WhisperModel

__all__ = ["LongFormSession", "Segment", "hear_long", "hear_stamped", "long_features"]

WINDOW_FRAMES = 3000
STAMPED = DecodingMode("feature-pad", True)


@dataclass(frozen=True)
class Segment:
    """What one window held: its first frame (10 ms each), its words, raw, and how many tokens they took."""

    frame: int
    text: str
    tokens: int = 0


def long_features(model: WhisperModel, waveform: Tensor) -> Tensor:
    """Features float (1, mels, frames) of a whole recording float (samples,), of any length, with gradients."""
    whole: Tensor = model.log_mel.whole(waveform[None])
    return whole


def hear_long(model: WhisperModel, waveform: Tensor) -> tuple[str, list[Segment]]:
    """The transcript of a recording float (samples,), and its windows as the long-form path cut them."""
    with torch.no_grad(), quiet_transformers():
        found = _windows_of(model, long_features(model, waveform))
    return _joined(found), found


def hear_stamped(model: WhisperModel, waveform: Tensor, mode: DecodingMode) -> tuple[str, int]:
    """The transcript of a clip float (samples,) that fits the window, and its tokens' number, by a decoder writing timestamps.

    Where the last segment is complete and sound is left after it, decoding goes on from there, as engines do; not past the clip.
    """
    frames = max(1, len(waveform) // HOP)
    with torch.no_grad(), quiet_transformers():
        whole = features(model.log_mel, waveform[None], torch.tensor([len(waveform)]), mode.frontend)
        # Zeros past the clip are what the long-form path fills its last window with by itself.
        mel = whole[..., :frames] if mode.frontend == "feature-pad" else whole
        found = [segment for segment in _windows_of(model, mel) if segment.frame < frames]
        return _joined(found), sum(segment.tokens for segment in found)


def _joined(windows: Sequence[Segment]) -> str:
    return " ".join(segment.text for segment in windows if segment.text)


def _windows_of(model: WhisperModel, mel: Tensor) -> list[Segment]:
    """The windows that the library's own sequential path hears in features float (1, mels, frames)."""
    mask = torch.ones(1, mel.shape[-1], dtype=torch.int64, device=mel.device)
    options: dict[str, Any] = {"do_sample": False, "num_beams": 1, **model.generate_options}
    output = model.network.generate(
        input_features=mel.to(model.network.dtype), attention_mask=mask, return_timestamps=True, return_segments=True, **options
    )
    begins: dict[int, int] = {}
    words: dict[int, list[str]] = {}
    tokens: dict[int, int] = {}
    for segment in output["segments"][0]:
        # Segments of one window share their result; a new one means that the window moved on.
        key = id(segment["result"])
        begins.setdefault(key, round(float(segment["start"]) * 100))
        said: list[int] = segment["tokens"].tolist()
        words.setdefault(key, []).append(model.words(said))
        tokens[key] = tokens.get(key, 0) + model.count_words(said)
    return [Segment(begins[key], " ".join(text for text in words[key] if text), tokens[key]) for key in begins]


class LongFormSession(LossSession):
    """Attack losses of recordings longer than the window: the mean over their windows.

    Away from the clean words, the windows are those that the clean recording was heard in, each with its own words; toward a
    text, the first window is to say it and each later one nothing, and windows follow each other without overlap, as they do
    when a window ends in one lone timestamp.

    Args:
        victim: under attack; hears the short clips.
        model: its weights.
        clean: the clips under attack; short ones among them have one window.
    """

    def __init__(self, victim: DifferentiableVictim, model: WhisperModel, clean: Batch) -> None:
        super().__init__(victim, clean)
        self.model = model
        self._heard: dict[int, list[Segment]] = {}

    def attack_loss(self, waveforms: Tensor, rows: Sequence[int], texts: Sequence[str], config: LossConfig) -> AttackLoss:
        parts = []
        for index, row in enumerate(rows):
            waveform = waveforms[index, : int(self.clean.lengths[row])].to(self.model.device)
            windows = self._windows(row, texts[index], config)
            parts.append(self._one(waveform, windows, config))
        toward = config.direction == "toward"
        matches = [part.matches.all() if toward else part.matches.any() for part in parts if part.matches is not None]
        distances = [part.distance.mean() for part in parts if part.distance is not None]
        loss = torch.stack([part.loss.mean() for part in parts])
        return AttackLoss(loss, torch.stack(matches), torch.stack(distances))

    def _windows(self, row: int, text: str, config: LossConfig) -> list[Segment]:
        length = int(self.clean.lengths[row])
        if config.direction == "toward":
            starts = range(0, max(1, length // HOP), WINDOW_FRAMES)
            return [Segment(start, MUTE_TEXT if start else text) for start in starts]
        if row not in self._heard:
            self._heard[row] = self._hear(self.clean.waveforms[row, :length])
        return [segment for segment in self._heard[row] if segment.text] or [Segment(0, text)]

    def _hear(self, clip: Tensor) -> list[Segment]:
        """The windows that a clip float (samples,) is heard in; one when it fits."""
        if len(clip) <= self.model.log_mel.samples:
            return [Segment(0, self.victim.transcribe(Batch.of([clip]))[0].text)]
        return hear_long(self.model, clip.to(self.model.device, torch.float32))[1]

    def _one(self, waveform: Tensor, windows: Sequence[Segment], config: LossConfig) -> AttackLoss:
        whole = long_features(self.model, waveform)
        cuts = [whole[..., window.frame : window.frame + WINDOW_FRAMES] for window in windows]
        mel = torch.cat([torch.nn.functional.pad(cut, (0, WINDOW_FRAMES - cut.shape[-1])) for cut in cuts])
        lengths = torch.tensor([cut.shape[-1] * HOP for cut in cuts])
        return self.model.window_loss(mel, lengths, [window.text for window in windows], STAMPED, config)
