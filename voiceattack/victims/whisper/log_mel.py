"""Whisper's log-mel features in differentiable torch, equal to the library's own extractor."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers.audio_utils import mel_filter_bank

from voiceattack.audio.clips import SAMPLE_RATE

__all__ = ["HOP", "LogMel"]

N_FFT = 400
HOP = 160


class LogMel(nn.Module):
    """Waveforms to Whisper's input features (Radford et al. 2022), with gradients.

    The same arithmetic as transformers' ``WhisperFeatureExtractor``: zero-pad to the window, Hann STFT, power, Slaney mel
    filters, log10 floored 8 decades under the clip's own maximum, scaled to about [-1, 1]. Tested equal within 1e-4.

    Args:
        n_mels: mel bins (80, or 128 for large-v3).
        window_seconds: length every clip is padded to; Whisper hears 30 s.
    """

    hann: Tensor
    filters: Tensor

    def __init__(self, n_mels: int = 80, window_seconds: float = 30.0) -> None:
        super().__init__()
        self.samples = round(window_seconds * SAMPLE_RATE)
        self.register_buffer("hann", torch.hann_window(N_FFT), persistent=False)
        filters = mel_filter_bank(
            num_frequency_bins=1 + N_FFT // 2,
            num_mel_filters=n_mels,
            min_frequency=0.0,
            max_frequency=SAMPLE_RATE / 2,
            sampling_rate=SAMPLE_RATE,
            norm="slaney",
            mel_scale="slaney",
        )
        self.register_buffer("filters", torch.as_tensor(filters, dtype=torch.float32).T.contiguous(), persistent=False)

    def forward(self, waveforms: Tensor, frames: int | None = None) -> Tensor:
        """Features float32 (batch, n_mels, frames), 100 frames a second, from waveforms (batch, samples).

        The waveforms may be shorter than the window; longer ones must be refused by the caller (they are cut here).

        Args:
            waveforms: float (batch, samples).
            frames: how many frames, when fewer than the window's will do; they must reach past the clips' end.
        """
        samples = self.samples if frames is None else min(self.samples, frames * HOP)
        waveforms = waveforms[:, :samples]
        return self.whole(nn.functional.pad(waveforms, (0, samples - waveforms.shape[1])))

    def whole(self, waveforms: Tensor) -> Tensor:
        """Features float32 (batch, n_mels, samples // 160) of waveforms (batch, samples) of any length, not padded."""
        spectrum = torch.stft(waveforms, N_FFT, HOP, window=self.hann, return_complex=True)
        # abs() has no gradient at exact silence (0/0 in the chain rule of the power); squares of the parts do.
        power = spectrum.real[..., :-1].square() + spectrum.imag[..., :-1].square()
        log = (self.filters @ power).clamp(min=1e-10).log10()
        floor = log.amax(dim=(1, 2), keepdim=True) - 8.0
        return (torch.maximum(log, floor) + 4.0) / 4.0
