"""Seconds on one thread and on one a core, which sleep or spin while they wait for each other: on an idle and on a busy machine.

Each setting is a process of its own, since threads are set up as torch is imported; settings take turns, and of all turns the
least seconds count, since what else the machine does only adds. Goal of the default: at most 1.3 times the best of each column.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voiceattack.cli.threads import WAITING

__all__ = ["Setting", "measure", "run", "settings", "table"]

LOADS = ("idle", "busy")
WORK = ("hearing", "steps")
GOAL = 1.3


@dataclass(frozen=True)
class Setting:
    """A number of threads, and whether they sleep while they wait."""

    threads: int
    asleep: bool
    default: bool = False

    @property
    def name(self) -> str:
        waiting = "asleep" if self.asleep else "spinning"
        return f"{self.threads} {waiting}" + (" (default)" if self.default else "")

    @property
    def environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if name not in WAITING}
        return own | {"OMP_NUM_THREADS": str(self.threads)} | (WAITING if self.asleep else {})


def settings() -> list[Setting]:
    """One thread, and one a core, which is the command line's default, each in both ways of waiting."""
    cores = len(os.sched_getaffinity(0))
    return [Setting(count, asleep, count == cores and asleep) for count in sorted({1, cores}) for asleep in (True, False)]


@contextlib.contextmanager
def spinning(count: int) -> Iterator[None]:
    """``count`` processes that compute without end."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def once(victim: str, clips: int, steps: int) -> dict[str, dict[str, float]]:
    """By load, seconds to hear the clips one by one, and to take ``steps`` forward and backward passes on the first."""
    import _common

    from voiceattack.audio import Batch

    hearing = _common.differentiable(victim)
    waveforms = [_common.clip(item) for item in _common.clips(clips)]
    first = Batch.of(waveforms[:1]).to(hearing.device)
    heard = [transcript.text for transcript in hearing.transcribe(Batch.of(waveforms[:1]))]
    hearing.forward_backward(first, heard)
    found = {}
    for load in LOADS:
        with spinning(len(os.sched_getaffinity(0)) if load == "busy" else 0):
            begun = time.perf_counter()
            for waveform in waveforms:
                hearing.transcribe(Batch.of([waveform]))
            between = time.perf_counter()
            for _ in range(steps):
                hearing.forward_backward(first, heard)
            found[load] = {"hearing": between - begun, "steps": time.perf_counter() - between}
    return found


def measure(victim: str, clips: int, steps: int, rounds: int) -> dict[tuple[Setting, str, str], float]:
    """The least seconds of each setting, load and kind of work."""
    found: dict[tuple[Setting, str, str], float] = {}
    command = [
        sys.executable,
        str(Path(__file__).resolve()),
        "--once",
        f"--victim={victim}",
        f"--clips={clips}",
        f"--steps={steps}",
    ]
    for _ in range(rounds):
        for setting in settings():
            done = subprocess.run(command, env=setting.environment, stdout=subprocess.PIPE, text=True, check=True)
            for load, took in json.loads(done.stdout.splitlines()[-1]).items():
                for work, seconds in took.items():
                    found[setting, load, work] = min(seconds, found.get((setting, load, work), seconds))
    return found


def table(found: dict[tuple[Setting, str, str], float], victim: str, clips: int, steps: int) -> str:
    """Markdown: seconds, and in brackets the ratio to the best of the column."""
    cores = len(os.sched_getaffinity(0))
    columns = [(load, work) for load in LOADS for work in WORK]
    best = {column: min(seconds for (_, *other), seconds in found.items() if tuple(other) == column) for column in columns}
    lines = [
        f"`{victim}` hears {clips} clips of samples/, then takes {steps} forward and backward passes; {cores} cores. "
        f"Busy: {cores} other processes compute without end. In brackets the ratio to the best of the column. "
        f"Goal of the default: at most {GOAL}.",
        "",
        "| threads | hearing, idle, s | steps, idle, s | hearing, busy, s | steps, busy, s | worst ratio |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    for setting in settings():
        ratios = [found[setting, load, work] / best[load, work] for load, work in columns]
        cells = [f"{found[setting, load, work]:.1f} ({ratio:.2f})" for (load, work), ratio in zip(columns, ratios, strict=True)]
        lines.append(f"| {setting.name} | {' | '.join(cells)} | **{max(ratios):.2f}** |")
    return "\n".join(lines) + "\n"


def run(victim: str = "whisper-tiny.en", clips: int = 3, steps: int = 10, rounds: int = 3) -> str:
    """The table for every setting."""
    return table(measure(victim, clips, steps, rounds), victim, clips, steps)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--victim", default="whisper-tiny.en")
    parser.add_argument("--clips", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3, help="turns that each setting takes")
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    given = vars(parser.parse_args())
    if given.pop("once"):
        given.pop("rounds")
        print(json.dumps(once(**given)))
    else:
        print(run(**given))
