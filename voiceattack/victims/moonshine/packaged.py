"""``moonshine-base``: Moonshine base for English, from the package moonshine-cpp, whose code is not imported."""

from __future__ import annotations

import torch

from voiceattack.errors import SpecError, VictimError
from voiceattack.victims.moonshine.tokenizer import BytePairs
from voiceattack.victims.moonshine.victim import MoonshineVictim
from voiceattack.victims.moonshine.weights import moonshine_state_dict
from voiceattack.victims.packaged import PackagedFiles, Part

__all__ = ["MOONSHINE_BASE", "load_base"]

MODULE = "moonshine_cpp"
MOONSHINE_BASE = PackagedFiles(
    "moonshine-base",
    "UsefulSensors/moonshine-base",
    ("moonshine-cpp==0.1.4",),
    "moonshine",
    (
        Part(MODULE, "models/base-en/encoder_model.ort", "9d1a19e044cbf89a207723d1adb667de89a5671a1e3e611b8ebe721b2c31219c"),
        Part(
            MODULE,
            "models/base-en/decoder_model_merged.ort",
            "370e0c1f161d68dc1c2264c1a82024fb123380da3b73f47f05531d1e8d3308c3",
        ),
        Part(MODULE, "models/base-en/tokenizer.bin", "04670d78994d030185c3dd843c60591788fed0a56cc6750747bd326825f13ca9"),
    ),
)


def load_base(rest: str, options: dict[str, str], device: torch.device) -> MoonshineVictim:
    """Factory of the spec ``moonshine-base``; int8 weights, computed with in float32.

    Raises:
        SpecError: a path was given.
        DigestError: a file is not the one expected; it is not loaded.
        VictimError: the package is not installed, or damaged.
    """
    from transformers import MoonshineConfig, MoonshineForConditionalGeneration

    if rest:
        raise SpecError(f"moonshine-base takes no path, got {rest}; other models: hf:<id or folder>")
    encoder, decoder, tokens = MOONSHINE_BASE.weights()
    try:
        weights, tokenizer = moonshine_state_dict(encoder, decoder), BytePairs.read(tokens)
        network = MoonshineForConditionalGeneration(MoonshineConfig(**_SIZES))
        report = network.load_state_dict(weights, strict=False)
    except (VictimError, RuntimeError) as error:
        raise VictimError(MOONSHINE_BASE.broken(error)) from error
    if report.unexpected_keys or set(report.missing_keys) != {"proj_out.weight"}:  # which is tied to the embeddings
        raise VictimError(f"moonshine-base: its files hold another model; reinstall: {MOONSHINE_BASE.reinstall}")
    digests = [part.sha256 for part in MOONSHINE_BASE.parts]
    return MoonshineVictim(network.to(device), tokenizer.encode, tokenizer.decode, MOONSHINE_BASE.facts(digests))


_SIZES = {
    "hidden_size": 416,
    "intermediate_size": 1664,
    "encoder_num_hidden_layers": 8,
    "decoder_num_hidden_layers": 8,
    "encoder_num_attention_heads": 8,
    "decoder_num_attention_heads": 8,
    "partial_rotary_factor": 0.62,
    "vocab_size": 32768,
}
