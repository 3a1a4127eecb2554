"""Run the benchmarks, all or some; write each table into ``docs/reference/benchmarks.md`` between markers of its own."""

from __future__ import annotations

import argparse
import platform
import re
from collections.abc import Callable
from pathlib import Path

import slow
import step_overhead
import threads
import time_to_target
import torch
import versus_art
import versus_asr_attack
import versus_textattack

from voiceattack import __version__

__all__ = ["main", "with_section"]

REPORT = Path(__file__).resolve().parent.parent / "docs" / "reference" / "benchmarks.md"
SECTIONS: dict[str, tuple[str, Callable[..., str]]] = {
    "step_overhead": ("One attack step over the bare forward and backward pass", step_overhead.run),
    "time_to_target": ("Time to a targeted success, against a plain Adam loop", time_to_target.run),
    "slow": ("How much longer a recogniser writes and takes, objective slow", slow.run),
    "threads": ("Threads, on an idle and on a busy machine", threads.run),
    "versus_asr_attack": ("Against asr-attack", versus_asr_attack.run),
    "versus_art": ("Against the Adversarial Robustness Toolbox", versus_art.run),
    "versus_textattack": ("Against TextAttack", versus_textattack.run),
}
HEAD = (
    "# Benchmarks\n\nHow long an attack takes, and how far it comes beside other packages with the same recordings "
    "and the same effort. "
    "Written by `make bench`; what each script asks is in `benchmarks/README.md`. "
    "Ratios within one section count; seconds are those of the machine named. `python benchmarks/run.py --only NAME` "
    "measures one section again and leaves the others as they are.\n"
)


def with_section(report: str, name: str, body: str) -> str:
    """``report`` with the section ``name`` set to ``body``; the other known sections stay as they were, in fixed order."""
    found = {key: text for key, text in re.findall(r"<!-- begin: (\w+) -->\n(.*?)<!-- end: \1 -->", report, flags=re.DOTALL)}
    found[name] = body
    parts = [f"<!-- begin: {key} -->\n{found[key]}<!-- end: {key} -->\n" for key in SECTIONS if key in found]
    return "\n".join([HEAD, *parts])


def machine() -> str:
    """What the figures depend on."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA"
    return (
        f"voiceattack {__version__}, torch {torch.__version__}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} threads, {device}"
    )


def main() -> None:
    """Each section is written as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=SECTIONS, help="this benchmark alone; may be given several times")
    parser.add_argument("--out", type=Path, default=REPORT, help="the report (default: docs/reference/benchmarks.md)")
    for name, kind in (("--victim", str), ("--clips", int), ("--steps", int)):
        parser.add_argument(name, type=kind, help="instead of each benchmark's own default")
    arguments = parser.parse_args()
    settings = {key: value for key in ("victim", "clips", "steps") if (value := getattr(arguments, key)) is not None}
    for name in arguments.only or SECTIONS:
        title, measure = SECTIONS[name]
        body = f"## {title}\n\n{measure(**settings)}\nMeasured with {machine()}.\n"
        report = arguments.out.read_text(encoding="utf-8") if arguments.out.exists() else ""
        arguments.out.write_text(with_section(report, name, body), encoding="utf-8")
        print(body, flush=True)


if __name__ == "__main__":
    main()
