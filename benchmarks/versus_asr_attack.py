"""The same victim, clips, L-inf budget and number of steps through PyPI's asr-attack 0.1.0 and through voiceattack's ``pgd``.

Both are judged alike: output saved as 16-bit FLAC, read again, transcribed by the victim's ordinary path. asr-attack is installed
into a temporary folder for this benchmark alone, without dependencies.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import _common
import torch
from torch import Tensor

from voiceattack.audio import clips as audio
from voiceattack.constraints import Budget
from voiceattack.victims.whisper.packaged import TINY

__all__ = ["run"]

PEER = "asr-attack==0.1.0"
SNR_DB = 40.0  # eps a clip: what a perturbation of plus or minus eps everywhere would have to be for this SNR


def peer_model(victim: Any, folder: Path) -> Any:
    """The victim's very weights in the peer's wrapper, through a folder as transformers writes it."""
    from transformers import WhisperFeatureExtractor

    victim.model.network.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=victim.model.network.config.num_mel_bins).save_pretrained(folder)
    shutil.copy(TINY.folder() / "tokenizer.json", folder / "tokenizer.json")
    names = dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), "<|endoftext|>")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "WhisperTokenizer", **names}))
    (folder / "processor_config.json").write_text(json.dumps({"processor_class": "WhisperProcessor"}))
    wrapper = importlib.import_module("asr_attack.models.hf_wrapper").HFASRModel
    return wrapper.from_pretrained(str(folder), device=str(victim.device))


def eps_of(clean: Tensor) -> float:
    return float(clean.square().mean().sqrt()) * 10 ** (-SNR_DB / 20)


def budget_of(clean: Tensor) -> Budget:
    return Budget(linf=eps_of(clean))


def run(victim: str = "whisper-tiny.en", clips: int = 5, steps: int = 100) -> str:
    """The comparison as Markdown.

    Raises:
        SystemExit: another victim than the bundled Whisper, whose tokenizer the peer's wrapper is given.
    """
    if victim != "whisper-tiny.en":
        raise SystemExit(f"versus_asr_attack compares on whisper-tiny.en only, not on {victim!r}; leave --victim out")
    hearing = _common.differentiable(victim)
    items = _common.clips(clips)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peer = _common.install(PEER, folder / "peer")
        model = peer_model(hearing, folder / "model")
        pgd = importlib.import_module("asr_attack.attacks.pgd").PGDAttack

        def theirs(clean: Tensor) -> Tensor:
            eps = eps_of(clean)
            attack = pgd(epsilon=eps, alpha=eps / 10, n_steps=steps, seed=0)  # its own default ratio of step to eps
            return torch.from_numpy(attack.perturb(clean.numpy(), audio.SAMPLE_RATE, model))

        def noise(clean: Tensor) -> Tensor:
            signs = torch.randint(0, 2, clean.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
            return (clean + eps_of(clean) * signs).clamp(-1, 1)

        tools: dict[str, _common.Tool] = {
            "clean": lambda clean: clean,
            "random signs, same L-inf": noise,
            peer: theirs,
            "voiceattack pgd": _common.our_pgd(hearing, budget_of, steps),
        }
        table = _common.judge(hearing, items, tools, budget_of)
    return (
        f"{len(items)} clips of samples/, {victim}, {steps} steps, L-inf per clip = RMS x 10^(-{SNR_DB:.0f}/20); "
        f"heard back from 16-bit files. Seconds include each tool's own decodes.\n\n{table}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100)
    print(run(**vars(parser.parse_args())))
