"""The same victim, clips, L-inf budget and number of steps through PyPI's asr-attack 0.1.0 and through voiceattack's ``pgd``.

Both are judged alike: output saved as 16-bit FLAC, read again, transcribed by the victim's ordinary path. asr-attack is installed
into a temporary folder for this benchmark alone, without dependencies.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from voiceattack import audio
from voiceattack.attacks import build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.audio import Batch
from voiceattack.constraints import Budget
from voiceattack.corpus import Utterance, read_corpus
from voiceattack.metrics.signal import snr_db
from voiceattack.metrics.text import corpus_wer, normalize
from voiceattack.objectives import Objective
from voiceattack.samples import samples_manifest
from voiceattack.victims import Victim, load_victim
from voiceattack.victims.whisper_bundled import model_folder

__all__ = ["run"]

PEER = "asr-attack==0.1.0"
SNR_DB = 40.0  # eps a clip: what a perturbation of plus or minus eps everywhere would have to be for this SNR


def install(folder: Path) -> None:
    """The peer, without dependencies, importable from ``folder``."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--target", str(folder), PEER], check=True, timeout=300)
    sys.path.insert(0, str(folder))


def peer_model(victim: Any, folder: Path) -> Any:
    """The victim's very weights in the peer's wrapper, through a folder as transformers writes it."""
    from transformers import WhisperFeatureExtractor

    victim.model.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=victim.model.config.num_mel_bins).save_pretrained(folder)
    shutil.copy(model_folder() / "tokenizer.json", folder / "tokenizer.json")
    names = dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), "<|endoftext|>")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "WhisperTokenizer", **names}))
    (folder / "processor_config.json").write_text(json.dumps({"processor_class": "WhisperProcessor"}))
    wrapper = importlib.import_module("asr_attack.models.hf_wrapper").HFASRModel
    return wrapper.from_pretrained(str(folder), device=str(victim.device))


def eps_of(clip: Tensor) -> float:
    return float(clip.square().mean().sqrt()) * 10 ** (-SNR_DB / 20)


def judge(
    tools: dict[str, Callable[[Tensor], Tensor]], clips: list[Utterance], victim: Victim, folder: Path
) -> list[dict[str, Any]]:
    """Craft, save, read, hear: clip by clip, the tools in turn, so that what else the machine does meets all alike."""
    heard: dict[str, list[str]] = {name: [] for name in tools}
    snrs: dict[str, list[float]] = {name: [] for name in tools}
    seconds, largest = dict.fromkeys(tools, 0.0), dict.fromkeys(tools, 0.0)
    for item in clips:
        clean = audio.quantize16(audio.load(item.path))
        for name, craft in tools.items():
            started = time.perf_counter()
            made = craft(clean)
            seconds[name] += time.perf_counter() - started
            path = folder / "saved.flac"
            audio.save(path, audio.quantize16(made), comment="adversarial; benchmark")
            saved = audio.load(path)
            heard[name].append(normalize(victim.transcribe(Batch.of([saved]))[0].text))
            snrs[name].append(float("inf") if torch.equal(clean, saved) else float(snr_db(clean, saved)))
            largest[name] = max(largest[name], float((saved - clean).abs().max()) / eps_of(clean))
    references = [normalize(str(item.text)) for item in clips]
    return [
        {
            "name": name,
            "wer": corpus_wer(references, heard[name]),
            "capped": sum(min(1.0, corpus_wer([r], [h])) for r, h in zip(references, heard[name], strict=True)) / len(clips),
            "seconds": seconds[name],
            "snr": sorted(snrs[name])[len(clips) // 2],
            "eps": largest[name],
        }
        for name in tools
    ]


def run(clips: int, steps: int) -> str:
    """The comparison as Markdown."""
    victim = load_victim("whisper-tiny.en")
    items = [item for item in read_corpus([str(samples_manifest())]) if isinstance(item, Utterance)][:clips]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install(folder / "peer")
        model = peer_model(victim, folder / "model")
        pgd = importlib.import_module("asr_attack.attacks.pgd").PGDAttack

        def theirs(clean: Tensor) -> Tensor:
            eps = eps_of(clean)
            attack = pgd(epsilon=eps, alpha=eps / 10, n_steps=steps, seed=0)  # its own default ratio of step to eps
            return torch.from_numpy(attack.perturb(clean.numpy(), audio.SAMPLE_RATE, model))

        def ours(clean: Tensor) -> Tensor:
            batch = Batch.of([clean])
            heard = [transcript.text for transcript in victim.transcribe(batch)]
            attack = build_attack("pgd", steps=steps)
            (made,) = attack.craft(victim, batch, heard, Objective(), Budget(linf=eps_of(clean)), [0])
            if not isinstance(made, Crafted):
                raise made
            return made.waveform

        def noise(clean: Tensor) -> Tensor:
            signs = torch.randint(0, 2, clean.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
            return (clean + eps_of(clean) * signs).clamp(-1, 1)

        tools = {"clean": lambda clean: clean, "random signs, same L-inf": noise, PEER: theirs, "voiceattack pgd": ours}
        rows = judge(tools, items, victim, folder)
    lines = [
        f"{len(items)} clips of samples/, whisper-tiny.en, {steps} steps, L-inf per clip = RMS x 10^(-{SNR_DB:.0f}/20); "
        "heard back from 16-bit files. Seconds include each tool's own decodes.",
        "",
        "| tool | WER | mean WER, at most 1 a clip | median SNR, dB | largest change / eps | seconds |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    lines += [
        f"| {r['name']} | {r['wer']:.2f} | {r['capped']:.2f} | {r['snr']:.1f} | {r['eps']:.2f} | {r['seconds']:.0f} |"
        for r in rows
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=7)
    parser.add_argument("--steps", type=int, default=100)
    arguments = parser.parse_args()
    print(run(arguments.clips, arguments.steps))
