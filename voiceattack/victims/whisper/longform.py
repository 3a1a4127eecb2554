"""Recordings longer than Whisper's window: heard whole by its own sequential long-form path, attacked window by window.

Long-form decoding writes timestamps and starts each window of 30 s where the last complete segment of the one before ended
(Radford et al. 2022, section 3.8); an incomplete last window is filled with zeros in the scale of the features. An attack
changes where windows start, so a search works on those of the clean recording, and only the whole recording, heard again, says
what it achieved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from voiceattack.audio.clips import Batch
from voiceattack.victims.base import AttackLoss, LossConfig, Search
from voiceattack.victims.whisper.frontends import Hearing, features
from voiceattack.victims.whisper.log_mel import HOP

if TYPE_CHECKING:
    from voiceattack.victims.whisper.victim import WhisperVictim

__all__ = ["LongFormSearch", "Segment", "hear_long", "hear_stamped", "long_features"]

WINDOW_FRAMES = 3000
STAMPED = Hearing("feature-pad", True)


@dataclass(frozen=True)
class Segment:
    """What one window held: its first frame (10 ms each) and its words, raw."""

    frame: int
    text: str


def long_features(victim: WhisperVictim, waveform: Tensor) -> Tensor:
    """Features float (1, mels, frames) of a whole recording float (samples,), of any length, with gradients."""
    whole: Tensor = victim.log_mel.whole(waveform[None])
    return whole


def hear_long(victim: WhisperVictim, waveform: Tensor) -> tuple[str, list[Segment]]:
    """The transcript of a recording float (samples,), and its windows as the long-form path cut them."""
    found = _windows_of(victim, long_features(victim, waveform))
    return _joined(found), found


def hear_stamped(victim: WhisperVictim, waveform: Tensor, hearing: Hearing) -> str:
    """The transcript of a clip float (samples,) that fits the window, by a decoder that writes timestamps.

    Where the last segment is complete and sound is left after it, decoding goes on from there, as engines do; not past the clip.
    """
    whole = features(victim.log_mel, waveform[None], torch.tensor([len(waveform)]), hearing.frontend)
    frames = max(1, len(waveform) // HOP)
    # Zeros past the clip are what the long-form path fills its last window with by itself.
    mel = whole[..., :frames] if hearing.frontend == "feature-pad" else whole
    return _joined([segment for segment in _windows_of(victim, mel) if segment.frame < frames])


def _joined(windows: Sequence[Segment]) -> str:
    return " ".join(segment.text for segment in windows if segment.text)


def _windows_of(victim: WhisperVictim, mel: Tensor) -> list[Segment]:
    """The windows that the library's own sequential path hears in features float (1, mels, frames)."""
    mask = torch.ones(1, mel.shape[-1], dtype=torch.int64, device=mel.device)
    options: dict[str, Any] = {"do_sample": False, "num_beams": 1, **victim.generate_options}
    output = victim.model.generate(
        input_features=mel.to(victim.model.dtype), attention_mask=mask, return_timestamps=True, return_segments=True, **options
    )
    begins: dict[int, int] = {}
    words: dict[int, list[str]] = {}
    for segment in output["segments"][0]:
        # Segments of one window share their result; a new one means that the window moved on.
        key = id(segment["result"])
        begins.setdefault(key, round(float(segment["start"]) * 100))
        words.setdefault(key, []).append(victim.words(segment["tokens"].tolist()))
    return [Segment(begins[key], " ".join(text for text in words[key] if text)) for key in begins]


class LongFormSearch(Search):
    """Attack losses of recordings longer than the window: the mean over their windows.

    Away from the clean words, the windows are those that the clean recording was heard in, each with its own words; toward a
    text, the first window is to say it and each later one nothing, and windows follow each other without overlap, as they do
    when a window ends in one lone timestamp.

    Args:
        victim: whose weights.
        clean: the clips under attack; short ones among them have one window.
    """

    def __init__(self, victim: WhisperVictim, clean: Batch) -> None:
        super().__init__(victim, clean)
        self.whisper = victim
        self._heard: dict[int, list[Segment]] = {}

    def attack_loss(self, waveforms: Tensor, rows: Sequence[int], texts: Sequence[str], config: LossConfig) -> AttackLoss:
        parts = []
        for place, row in enumerate(rows):
            waveform = waveforms[place, : int(self.clean.lengths[row])].to(self.whisper.device)
            windows = self._windows(row, texts[place], config)
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
            return [Segment(start, self.whisper.mute_text if start else text) for start in starts]
        if row not in self._heard:
            with torch.no_grad():
                self._heard[row] = self.whisper.hear_windows(self.clean.waveforms[row, :length])
        return [segment for segment in self._heard[row] if segment.text] or [Segment(0, text)]

    def _one(self, waveform: Tensor, windows: Sequence[Segment], config: LossConfig) -> AttackLoss:
        whole = long_features(self.whisper, waveform)
        cuts = [whole[..., window.frame : window.frame + WINDOW_FRAMES] for window in windows]
        mel = torch.cat([torch.nn.functional.pad(cut, (0, WINDOW_FRAMES - cut.shape[-1])) for cut in cuts])
        lengths = torch.tensor([cut.shape[-1] * HOP for cut in cuts])
        return self.whisper.window_loss(mel, lengths, [window.text for window in windows], STAMPED, config)
