"""What the benchmarks share: the clips, the peers' installation, the controls, and how tools are judged side by side."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from torch import Tensor

from voiceattack.attacks import build_attack
from voiceattack.attacks.base import Crafted
from voiceattack.audio import Batch
from voiceattack.audio import clips as audio
from voiceattack.constraints import Budget
from voiceattack.corpus import Utterance, read_corpus
from voiceattack.corpus.samples import samples_manifest
from voiceattack.metrics.error_rate import ErrorRate
from voiceattack.metrics.signal import snr_db
from voiceattack.metrics.text import normalize, word_errors
from voiceattack.objectives import Objective
from voiceattack.victims import DifferentiableVictim, Victim, differentiates, load_victim

__all__ = ["Tool", "clip", "clips", "differentiable", "install", "judge", "our_pgd", "save_and_load"]

Tool = Callable[[Tensor], Tensor]
"""Clean waveform, float (samples,) on the 16-bit grid, to perturbed waveform."""


def clips(count: int) -> list[Utterance]:
    """The first ``count`` clips of ``samples/``."""
    return [item for item in read_corpus([str(samples_manifest())]) if isinstance(item, Utterance)][:count]


def clip(item: Utterance) -> Tensor:
    """The clip's samples on the 16-bit grid."""
    return audio.quantize16(audio.load(item.path))


def differentiable(spec: str) -> DifferentiableVictim:
    """The victim that ``spec`` names.

    Raises:
        SystemExit: it has no gradients.
    """
    victim = load_victim(spec)
    if not differentiates(victim):
        raise SystemExit(f"victim {spec!r} has no gradients to attack with; see: voiceattack list victims")
    return victim


def install(peer: str, folder: Path, *others: str) -> str:
    """Make ``peer`` ("name==version") importable: as it is installed, or else from ``folder``, without dependencies.

    Args:
        peer: the package compared with.
        folder: where pip puts it; no environment is changed.
        others: what it needs beyond voiceattack's own dependencies.

    Returns:
        "name version", as found.
    """
    name = peer.split("==")[0]
    try:
        version(name)
    except PackageNotFoundError:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*command, "--target", str(folder), peer, *others], check=True, timeout=300)
        sys.path.insert(0, str(folder))
        importlib.invalidate_caches()
    return f"{name} {version(name)}"


def our_pgd(victim: Victim, budget_of: Callable[[Tensor], Budget], steps: int) -> Tool:
    """voiceattack's ``pgd``, untargeted, one clip at a time, all else as by default."""

    def craft(clean: Tensor) -> Tensor:
        batch = Batch.of([clean])
        heard = [transcript.text for transcript in victim.transcribe(batch)]
        (made,) = build_attack("pgd", steps=steps).craft(victim, batch, heard, Objective(), budget_of(clean), [0])
        if not isinstance(made, Crafted):
            raise made
        return made.waveform

    return craft


def save_and_load(waveform: Tensor, folder: Path) -> Tensor:
    """What a user would get: saved as 16-bit FLAC, read again."""
    path = folder / "saved.flac"
    audio.save(path, audio.quantize16(waveform), comment="adversarial; benchmark")
    return audio.load(path)


def judge(victim: Victim, items: Sequence[Utterance], tools: Mapping[str, Tool], budget_of: Callable[[Tensor], Budget]) -> str:
    """Craft, save, read, hear: clip by clip, the tools in turn, so that what else the machine does meets all alike.

    Args:
        victim: what hears.
        items: the clips, with their reference texts.
        tools: by the name of their row.
        budget_of: the budget of a clip, of which the table says how much was used.

    Returns:
        A Markdown table, a row a tool.
    """
    heard: dict[str, list[str]] = {name: [] for name in tools}
    snrs: dict[str, list[float]] = {name: [] for name in tools}
    seconds, used = dict.fromkeys(tools, 0.0), dict.fromkeys(tools, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        for item in items:
            clean = clip(item)
            for name, craft in tools.items():
                started = time.perf_counter()
                made = craft(clean)
                seconds[name] += time.perf_counter() - started
                saved = save_and_load(made, Path(folder))
                heard[name].append(normalize(victim.transcribe(Batch.of([saved]))[0].text))
                snrs[name].append(float("inf") if torch.equal(clean, saved) else float(snr_db(clean, saved)))
                used[name] = max(used[name], budget_of(clean).excess(clean, saved))
    references = [normalize(str(item.text)) for item in items]
    lines = [
        "| tool | WER | mean WER, at most 1 a clip | median SNR, dB | most of the budget used | seconds |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    for name in tools:
        rate = ErrorRate.of(word_errors(r, h) for r, h in zip(references, heard[name], strict=True))
        single = [errors / words for errors, words in zip(rate.capped().errors, rate.lengths, strict=True)]
        median = sorted(snrs[name])[len(items) // 2]
        lines.append(
            f"| {name} | {rate.compute():.2f} | {sum(single) / len(single):.2f} "
            f"| {median:.1f} | {used[name]:.2f} | {seconds[name]:.0f} |"
        )
    return "\n".join(lines) + "\n"
