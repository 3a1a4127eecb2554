"""Signals that the victim ``tiny`` hears letters in, and the command line as a user runs it."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import warnings
from pathlib import Path

import torch

from voiceattack.audio import clips as audio
from voiceattack.cli import main

ROOT = Path(__file__).resolve().parents[2]


def tones(seed: int, seconds: float = 0.6) -> torch.Tensor:
    """Four notes with a little noise, float32 (samples,) on the 16-bit grid."""
    generator = torch.Generator().manual_seed(seed)
    samples = int(seconds * audio.SAMPLE_RATE)
    pitches = torch.rand(4, generator=generator) * 0.5 + 0.1
    pitch = pitches.repeat_interleave(samples // 4 + 1)[:samples]
    noise = 0.03 * torch.randn(samples, generator=generator)
    return audio.quantize16(0.3 * torch.sin(pitch.cumsum(0)) + noise)


def tone(seconds: float = 0.5, rate: int = 16_000, hz: float = 440.0, level: float = 0.5) -> torch.Tensor:
    """A sine, float32 (samples,)."""
    return level * torch.sin(2 * torch.pi * hz * torch.arange(round(seconds * rate)) / rate)


def write_clips(folder: Path, count: int, *, first: int = 0) -> list[str]:
    """``count`` WAV files, as paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"clip{first + index}.wav" for index in range(count)]
    for index, path in enumerate(paths):
        audio.save(path, tones(first + index))
    return [str(path) for path in paths]


def command(*arguments: str | Path) -> list[str]:
    """The command line of the tool."""
    return [sys.executable, "-m", "voiceattack", *map(str, arguments)]


def environment(*extra_paths: Path, **extra: str) -> dict[str, str]:
    """This process's environment, with the project and ``extra_paths`` importable, on one thread."""
    paths = os.pathsep.join(map(str, [*extra_paths, ROOT]))
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **extra}


def in_process(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """As :func:`voiceattack` in this process: faster, for what needs no process of its own."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
        code = main([str(argument) for argument in arguments])
    return subprocess.CompletedProcess([], code, out.getvalue(), err.getvalue())


def voiceattack(*arguments: str | Path, paths: tuple[Path, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run the tool in a process of its own."""
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=300, env=environment(*paths), check=False)
