"""``tiny``: a deterministic toy recogniser for unit tests and dry runs. It hears nonsense, but always the same nonsense."""

from __future__ import annotations

import string

import torch
from torch import Tensor, nn

from voiceattack.errors import SpecError
from voiceattack.victims.ctc.victim import CTCVictim
from voiceattack.victims.ctc.vocabulary import Vocabulary

__all__ = ["TinyModel", "load"]

HOP = 320  # samples a frame: 20 ms
BANDS = 24
FLOOR = 3e-3  # amplitude of a band that counts as quiet
TOKENS = ("-", "|", "'", *string.ascii_uppercase)


class TinyModel(nn.Module):
    """Log band energies, smoothed over three frames, and one linear layer with seeded weights: about 700 numbers."""

    cosines: Tensor
    sines: Tensor
    weights: Tensor
    bias: Tensor

    def __init__(self, seed: int = 8) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        # Cosine and sine of each band's centre under a window: a coarse spectrum, 100 Hz to 6 kHz, as matrix product.
        centres = torch.logspace(2.0, 3.78, BANDS)
        phase = 2 * torch.pi * centres[:, None] * torch.arange(HOP)[None, :] / 16_000
        window = torch.hann_window(HOP)
        self.register_buffer("cosines", window * phase.cos() / HOP)
        self.register_buffer("sines", window * phase.sin() / HOP)
        weights = torch.randn(len(TOKENS), BANDS, generator=generator)
        # Neither loudness nor the fall of speech toward high frequencies chooses a letter.
        ramp = torch.linspace(-1, 1, BANDS)
        weights = weights - weights.mean(dim=1, keepdim=True)
        weights = weights - (weights @ ramp)[:, None] * ramp / ramp.square().sum()
        bias = torch.zeros(len(TOKENS))
        # Silence is the blank, a quiet frame the end of a word.
        weights[0], bias[0] = -0.2, 3.0
        weights[1], bias[1] = 0.02, 2.0
        self.register_buffer("weights", weights)
        self.register_buffer("bias", bias)

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Waveforms (batch, samples), lengths (batch,) to logits (batch, frames, vocabulary), frames (batch,)."""
        missing = -waveforms.shape[1] % HOP
        frames = nn.functional.pad(waveforms, (0, missing)).reshape(len(waveforms), -1, HOP)
        power = (frames @ self.cosines.T).square() + (frames @ self.sines.T).square()
        # Zero where silent, so that padding and the edges of a clip look the same to the smoothing.
        energies = torch.log1p(power / FLOOR**2)
        smooth = nn.functional.avg_pool1d(energies.transpose(1, 2), 3, stride=1, padding=1).transpose(1, 2)
        logits = smooth @ self.weights.T + self.bias
        return logits, (lengths + HOP - 1) // HOP


def load(rest: str, options: dict[str, str], device: torch.device) -> CTCVictim:
    """Factory of the spec ``tiny`` (it takes no path and no options)."""
    if rest:
        raise SpecError(f"victim tiny takes no path, got {rest}")
    model = TinyModel().eval().requires_grad_(False).to(device)
    vocabulary = Vocabulary(TOKENS, blank=0, delimiter="|")
    return CTCVictim(model, vocabulary, device, batched=True, facts={"model": "tiny"})
