"""A small suite on the toy victim, and the command line on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from speechlike import in_process, write_clips

__all__ = ["basic", "run", "summary", "write_suite"]


def basic(clips: list[str], **changes: Any) -> dict[str, Any]:
    """Two clips without texts (so that the toy is always right when clean), one quick attack, one gate."""
    suite: dict[str, Any] = {
        "inputs": [{"path": clip, "tags": ["speech"]} for clip in clips],
        "victims": [{"name": "toy", "spec": "tiny"}],
        "attacks": [{"attack": "pgd", "params": {"steps": 3, "check_every": 1}, "budget": {"snr_db": 15}}],
        "gates": ["success_rate <= 1"],
        "min_clips": 1,
    }
    return {**suite, **changes}


def write_suite(folder: Path, count: int = 2, **changes: Any) -> Path:
    """``folder/suite.yaml`` with its clips."""
    clips = write_clips(folder / "in", count)
    path = folder / "suite.yaml"
    path.write_text(yaml.safe_dump(basic([f"in/{Path(clip).name}" for clip in clips], **changes)))
    return path


def run(suite: Path, *options: str | Path, out: str = "out") -> tuple[int, str, str]:
    """``voiceattack run``: exit code, stdout, stderr."""
    done = in_process("run", suite, "--out", suite.parent / out, *options)
    return done.returncode, done.stdout, done.stderr


def summary(suite: Path, out: str = "out") -> dict[str, Any]:
    """What the run wrote."""
    found: dict[str, Any] = json.loads((suite.parent / out / "summary.json").read_text())
    return found
