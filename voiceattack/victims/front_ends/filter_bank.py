"""Mel filter banks of CTC models, each equal to its library's own extractor: Kaldi's (wav2vec2-BERT) and NeMo's (Parakeet)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from voiceattack.victims.front_ends.base import Features, standardized

__all__ = ["KaldiFilterBank", "NemoFilterBank"]

FULL_SCALE = 2.0**15
KALDI_FRAME, KALDI_HOP, KALDI_FFT = 400, 160, 512
KALDI_PREEMPHASIS = 0.97
KALDI_FLOOR = 1.192092955078125e-07
NEMO_GUARD = 2.0**-24


class KaldiFilterBank:
    """Log filter banks of frames that lie whole in the clip, standardised, ``stride`` frames a step, as
    ``SeamlessM4TFeatureExtractor`` computes them.

    Args:
        extractor: that of the model, for its filters, window and stride.
        device: where they go.
    """

    def __init__(self, extractor: Any, device: torch.device) -> None:
        self.filters = torch.as_tensor(extractor.mel_filters, dtype=torch.float32, device=device)
        self.window = torch.as_tensor(extractor.window, dtype=torch.float32, device=device)
        self.stride = int(extractor.stride)

    @property
    def shortest(self) -> int:
        return KALDI_FRAME + KALDI_HOP * (max(2, self.stride) - 1)

    def __call__(self, waveforms: Tensor, lengths: Tensor) -> Features:
        framed = FULL_SCALE * waveforms.unfold(1, KALDI_FRAME, KALDI_HOP)
        framed = framed - framed.mean(dim=-1, keepdim=True)
        # The first sample of each frame stands for the one before it.
        framed = framed - KALDI_PREEMPHASIS * torch.cat([framed[..., :1], framed[..., :-1]], dim=-1)
        spectrum = torch.fft.rfft(framed * self.window, n=KALDI_FFT)
        power = spectrum.real.square() + spectrum.imag.square()
        frames = (lengths - KALDI_FRAME) // KALDI_HOP + 1
        bands = standardized((power @ self.filters).clamp(min=KALDI_FLOOR).log(), frames, inside=1e-7)
        steps = frames // self.stride
        count = int(steps.max())
        values = bands[:, : count * self.stride].reshape(len(bands), count, -1)
        features = Features(values, steps)
        return Features(values * features.mask.unsqueeze(-1), steps)


class NemoFilterBank:
    """Log filter banks of centred frames after pre-emphasis of the whole clip, standardised, as ``ParakeetFeatureExtractor``
    computes them.

    Args:
        extractor: that of the model, for its filters and sizes.
        device: where they go.
    """

    def __init__(self, extractor: Any, device: torch.device) -> None:
        self.filters = torch.as_tensor(extractor.mel_filters, dtype=torch.float32, device=device)
        self.window = torch.hann_window(int(extractor.win_length), periodic=False, device=device)
        self.fft, self.hop = int(extractor.n_fft), int(extractor.hop_length)
        self.preemphasis = float(extractor.preemphasis or 0.0)

    @property
    def shortest(self) -> int:
        return 2 * self.hop

    def __call__(self, waveforms: Tensor, lengths: Tensor) -> Features:
        inside = torch.arange(waveforms.shape[1], device=waveforms.device)[None, :] < lengths[:, None]
        emphasized = torch.cat([waveforms[:, :1], waveforms[:, 1:] - self.preemphasis * waveforms[:, :-1]], dim=1) * inside
        spectrum = torch.stft(
            emphasized,
            self.fft,
            hop_length=self.hop,
            win_length=len(self.window),
            window=self.window,
            return_complex=True,
            pad_mode="constant",
        )
        power = spectrum.real.square() + spectrum.imag.square()
        frames = lengths // self.hop
        return Features(standardized((self.filters @ power + NEMO_GUARD).log().transpose(1, 2), frames, outside=1e-5), frames)
