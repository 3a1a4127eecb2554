"""``hama``: a Conformer of 2 million weights with a CTC head that writes phones, from the package hama, whose code is not run.

Conformer: Gulati et al. 2020; here four blocks of width 144 on 80 log mel bands, without positions. The package computes in half
precision where this does in float32; on real recordings the same phone is likeliest in every frame.
"""

from __future__ import annotations

import json

import torch
from torch import Tensor
from torch.nn import functional

from voiceattack.errors import SpecError, VictimError
from voiceattack.files import read_text
from voiceattack.victims.ctc.hama_file import read_hama
from voiceattack.victims.ctc.phones import PHONES, Phones
from voiceattack.victims.ctc.victim import CTCVictim
from voiceattack.victims.packaged import PackagedFiles, Part

__all__ = ["HAMA", "HamaNetwork", "load"]

HAMA = PackagedFiles(
    "hama",
    "hama 1.7.0, asr_waveform",
    ("hama==1.7.0",),
    "hama",
    (
        Part("hama", "assets/asr_waveform.hama", "a9fcfe73e179ca48e399cd76a90a6b3e1887bf5037ecc52b778d13a149563328"),
        Part("hama", "assets/g2p_vocab.json", "520d19e4e6ae58658eed53594e0feab8ea8e1b4b04a7746e25e50c16c29b91bf"),
    ),
)
BLOCKS, WIDTH, HEADS = 4, 144, 4
WINDOW, HOP, SUBSAMPLED = 400, 160, 2
FLOOR = 1e-10
TEMPERATURE, BLANK_BIAS = 0.95, -0.1
"""Of the package's greedy decoding."""
SPECIAL = ("<pad>", "<sos>", "<eos>", "<unk>")
MODEL = "acoustic_model.model."


class HamaNetwork:
    """The network as a function of waveforms, with gradients.

    Args:
        weights: as the package's file names them; those of linear layers and folded convolutions by number.

    Raises:
        VictimError: one is missing.
    """

    def __init__(self, weights: dict[str, Tensor]) -> None:
        self._weights = weights
        linear = [name for name in weights if name.startswith("onnx::MatMul_")]
        folded = [name for name in weights if name.startswith("onnx::Conv_")]
        if len(linear) != 6 * BLOCKS or len(folded) != 2 + 2 * BLOCKS:
            raise VictimError("hama: its file holds another model")
        # In the order of the file: both linear layers of the first half step, of attention and of the second half step.
        self._linear = [linear[6 * block : 6 * block + 6] for block in range(BLOCKS)]
        self._front, self._depthwise = folded[:2], [folded[2 + 2 * block : 4 + 2 * block] for block in range(BLOCKS)]

    def to(self, device: torch.device) -> HamaNetwork:
        """The same elsewhere."""
        return HamaNetwork({name: value.to(device) for name, value in self._weights.items()})

    def __call__(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Logits float (batch, frames, tokens) and frames int64 (batch,) of unpadded clips of one length."""
        w = self._weights
        padded = functional.pad(waveforms[:, None], (WINDOW // 2, WINDOW // 2), mode="reflect")
        real = functional.conv1d(padded, w["stft_real_kernel"], stride=HOP)
        imaginary = functional.conv1d(padded, w["stft_imag_kernel"], stride=HOP)
        bands = torch.einsum("bft,fm->bmt", real.square() + imaginary.square(), w["mel_fb"]).clamp(min=FLOOR).log()
        front = functional.conv1d(bands, w[self._front[0]], w[self._front[1]], stride=SUBSAMPLED, padding=1)
        states = functional.gelu(front).transpose(1, 2)
        for block in range(BLOCKS):
            states = self._block(states, block)
        written = functional.conv1d(states.transpose(1, 2), w[f"{MODEL}proj.weight"], w[f"{MODEL}proj.bias"])
        logits = written.transpose(1, 2).log_softmax(dim=-1) / TEMPERATURE
        bias = torch.zeros(logits.shape[-1], device=logits.device)
        bias[-1] = BLANK_BIAS
        return logits + bias, torch.full_like(lengths, logits.shape[1])

    def _block(self, states: Tensor, block: int) -> Tensor:
        name = f"{MODEL}blocks.{block}."
        up, down, mixed, out, up_again, down_again = self._linear[block]
        states = states + 0.5 * self._feed(states, f"{name}ffn1", up, down)
        states = states + self._attend(states, name, mixed, out)
        states = states + self._convolve(states, name, self._depthwise[block])
        states = states + 0.5 * self._feed(states, f"{name}ffn2", up_again, down_again)
        return self._norm(states, f"{name}norm")

    def _norm(self, states: Tensor, name: str) -> Tensor:
        return functional.layer_norm(states, (WIDTH,), self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _feed(self, states: Tensor, name: str, up: str, down: str) -> Tensor:
        w = self._weights
        hidden = functional.silu(self._norm(states, f"{name}.norm") @ w[up] + w[f"{name}.fc1.bias"])
        return hidden @ w[down] + w[f"{name}.fc2.bias"]

    def _attend(self, states: Tensor, name: str, mixed: str, out: str) -> Tensor:
        w = self._weights
        joined = self._norm(states, f"{name}attn_norm") @ w[mixed] + w[f"{name}attn.in_proj_bias"]
        asked, keys, values = (part.reshape(*part.shape[:2], HEADS, -1).transpose(1, 2) for part in joined.chunk(3, dim=-1))
        attended = functional.scaled_dot_product_attention(asked, keys, values).transpose(1, 2).flatten(2)
        return attended @ w[out] + w[f"{name}attn.out_proj.bias"]

    def _convolve(self, states: Tensor, name: str, depthwise: list[str]) -> Tensor:
        w, conv = self._weights, f"{name}conv."
        hidden = self._norm(states, f"{conv}norm").transpose(1, 2)
        hidden = functional.conv1d(hidden, w[f"{conv}pointwise1.weight"], w[f"{conv}pointwise1.bias"])
        kernel = w[depthwise[0]]
        hidden = functional.glu(hidden, dim=1)
        hidden = functional.conv1d(hidden, kernel, w[depthwise[1]], padding=kernel.shape[-1] // 2, groups=WIDTH)
        hidden = functional.conv1d(functional.silu(hidden), w[f"{conv}pointwise2.weight"], w[f"{conv}pointwise2.bias"])
        return hidden.transpose(1, 2)


def load(rest: str, options: dict[str, str], device: torch.device) -> CTCVictim:
    """Factory of the spec ``hama``.

    Raises:
        SpecError: a path was given.
        DigestError: a file is not the one expected; it is not loaded.
        VictimError: the package is not installed, or damaged.
    """
    if rest:
        raise SpecError(f"hama takes no path, got {rest}; other models: hf:<id or folder>")
    weights, vocabulary = HAMA.weights()
    try:
        phones = json.loads(read_text(vocabulary))["decoder"]
        network = HamaNetwork(read_hama(weights)).to(device)
    except (OSError, ValueError, KeyError, VictimError) as error:
        raise VictimError(HAMA.broken(error)) from error
    tokens = tuple("" if token in SPECIAL or not token.strip() else token for token in phones)
    written = Phones((*tokens, "<wb>", "<blank>"), blank=len(tokens) + 1, delimiter="<wb>")
    facts = HAMA.facts([part.sha256 for part in HAMA.parts])
    victim = CTCVictim(network, written, device, min_samples=WINDOW, facts=facts)
    victim.language = PHONES
    return victim
