"""Run every benchmark and write ``results.md`` beside this file. Minutes on two cores."""

from __future__ import annotations

import platform
from pathlib import Path

import step_overhead
import time_to_target
import torch
import versus_asr_attack

from voiceattack import __version__
from voiceattack.samples import samples_manifest


def main() -> None:
    """Each table as soon as it is measured."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA"
    machine = f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} threads, {device}"
    parts = [
        f"# Benchmarks\n\nWritten by `make bench`: voiceattack {__version__}, torch {torch.__version__}, "
        f"Python {platform.python_version()}, {machine}. Ratios within one run count; seconds are this machine's.\n"
    ]
    target = Path(__file__).with_name("results.md")
    for title, make in (
        ("One attack step over the bare forward and backward pass", lambda: step_overhead.run("whisper-tiny.en", 10)),
        (
            "Seconds to a targeted success",
            lambda: time_to_target.run([str(samples_manifest())], "whisper-tiny.en", 5, 300, 35.0, "unlock the front door", 5e-4),
        ),
        ("Against asr-attack", lambda: versus_asr_attack.run(5, 100)),
    ):
        parts.append(f"## {title}\n\n{make()}")
        target.write_text("\n".join(parts), encoding="utf-8")
        print(parts[-1], flush=True)


if __name__ == "__main__":
    main()
