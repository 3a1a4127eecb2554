"""How much more a Whisper writes on saved artefacts of objective ``slow``, and how long faster-whisper then takes.

Noise of the same SNR is the control. Seconds are paired with those of the same clip when clean, heard in turn in one process; the
engine is warmed up first. A decoder stops at its own limit (446 tokens for Whisper), so a clip whose clean transcript takes 15
tokens cannot reach 30 times that: the table says how many clips could.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import _common
from torch import Tensor

from voiceattack.attacks import build_attack
from voiceattack.audio import Batch
from voiceattack.constraints import Budget
from voiceattack.corpus import Utterance, read_corpus
from voiceattack.objectives import Objective
from voiceattack.victims import DifferentiableVictim, Victim, load_victim

__all__ = ["Slowed", "measure", "run", "table"]

SNRS = (30.0, 40.0)
LIMIT = 446
LISTENER = "whisper-tiny.en"
BOTH = f"ensemble:{LISTENER}|{LISTENER}?frontend=feature-pad&timestamps=on"
"""What transformers and what faster-whisper make of the same weights."""
ENGINE = f"faster-whisper:{LISTENER}"


@dataclass
class Slowed:
    """Ratios to clean, one a clip, at one SNR in dB; ``engine`` and ``seconds`` are faster-whisper's, ``took`` its time."""

    snr_db: float
    clean: list[int] = field(default_factory=list)
    tokens: list[float] = field(default_factory=list)
    noise: list[float] = field(default_factory=list)
    engine: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)


def measure(
    victim: DifferentiableVictim, listener: Victim, engine: Victim | None, clips: list[Tensor], snr_db: float, steps: int
) -> Slowed:
    """Craft one artefact a clip by ``pgd``, save it, and hear it again beside noise of its SNR."""
    found, objective, budget = Slowed(snr_db), Objective("slow"), Budget(snr_db=snr_db)
    for clip in clips:
        batch = Batch.of([clip])
        (clean,) = listener.transcribe(batch)
        files = {}
        for name in ("pgd", "noise"):
            attack = build_attack(name, **({"steps": steps} if name == "pgd" else {}))
            goal = objective if name == "pgd" else Objective()
            (crafted,) = attack.craft(victim, batch, [clean.text], goal, budget, [0])
            if isinstance(crafted, Exception):
                raise crafted
            files[name] = _common.save_and_load(crafted.waveform, Path(tempfile.mkdtemp()))
        found.clean.append(clean.tokens or 0)
        for name, ratios in (("pgd", found.tokens), ("noise", found.noise)):
            ratios.append(objective.tokens_ratio(clean, listener.transcribe(Batch.of([files[name]]))[0]))
        if engine is not None:
            before, own = _timed(engine, clip)
            after, slowed = _timed(engine, files["pgd"])
            found.engine.append(slowed / max(1, own))
            found.seconds.append(after / before)
            found.took.append(after)
        print(f"{snr_db:g} dB, clip {len(found.clean)} of {len(clips)}: {found.tokens[-1]:.1f}x", file=sys.stderr, flush=True)
    return found


def _timed(engine: Victim, clip: Tensor) -> tuple[float, int]:
    started = time.perf_counter()
    (heard,) = engine.transcribe(Batch.of([clip]))
    return time.perf_counter() - started, heard.tokens or 0


def table(rows: list[Slowed], victim: str, steps: int) -> str:
    """Markdown."""
    lines = [
        f"`pgd`, objective `slow`, {steps} steps, on `{victim}`, heard by "
        f"`{LISTENER}`; ratios are to the same clip when clean, of saved files.",
        "",
        "| SNR, dB | clips | tokens, median | least | at least 10x | at least 30x (possible on) | noise, most "
        f"| {ENGINE}: tokens, median | its seconds, median ratio | median s |",
        "| --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for row in rows:
        most = sum(count * 30 <= LIMIT for count in row.clean)
        engine = ["-"] * 3
        if row.engine:
            middle = [statistics.median(values) for values in (row.engine, row.seconds, row.took)]
            engine = [f"{middle[0]:.1f}x", f"{middle[1]:.1f}x", f"{middle[2]:.1f}"]
        ten, thirty = (sum(ratio >= least for ratio in row.tokens) for least in (10, 30))
        cells = [
            f"{row.snr_db:g}",
            str(len(row.tokens)),
            f"**{statistics.median(row.tokens):.1f}x**",
            f"{min(row.tokens):.1f}x",
            str(ten),
            f"{thirty} ({most})",
            f"{max(row.noise):.1f}x",
            *engine,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def run(victim: str = BOTH, clips: int = 7, steps: int = 100, recordings: str | None = None, engine: str = ENGINE) -> str:
    """The table at each SNR, over the first ``clips`` of ``samples/`` or of a folder of recordings."""
    hearing = _common.differentiable(victim)
    items = [item for item in read_corpus([recordings]) if isinstance(item, Utterance)] if recordings else _common.clips(clips)
    waveforms = [_common.clip(item) for item in items[:clips]]
    second = load_victim(engine) if engine else None
    if second is not None:
        second.transcribe(Batch.of(waveforms[:1]))
    listener = load_victim(LISTENER)
    return table([measure(hearing, listener, second, waveforms, snr, steps) for snr in SNRS], victim, steps)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--victim", default=BOTH, help="whom it is crafted on")
    parser.add_argument("--clips", type=int, default=7)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--recordings", help="a folder instead of samples/")
    parser.add_argument("--engine", default=ENGINE, help="a victim to time; empty for none")
    print(run(**vars(parser.parse_args())))
