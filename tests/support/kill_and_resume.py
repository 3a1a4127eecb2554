"""``evaluate``, ``run`` and ``text`` killed (SIGKILL) again and again and resumed, against a server that counts what it is asked.

    python tests/support/kill_and_resume.py [--kills 30] [--only evaluate] [--seed 0]

Every second kill strikes at any moment; what the server was answering right then may be asked once more, and nothing else. The
others strike while the server holds its answer back. At the end the result must be that of a run that was left alone.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from killing import SPEAKER, Counted, counting, read
from speechlike import command, environment, write_clips


def tool(*arguments: str | Path) -> None:
    done = subprocess.run(command(*arguments), env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{arguments}: exit code {done.returncode}: {done.stderr}")


def kill_at_any_moment(server: Counted, draw: random.Random, *arguments: str | Path) -> bool:
    """Whether it was killed; it may have been quicker."""
    before = len(server.state.requests)
    with subprocess.Popen(command(*arguments), env=environment(), stdout=subprocess.DEVNULL) as process:
        if draw.random() < 0.7:
            while len(server.state.requests) == before and process.poll() is None:
                time.sleep(0.005)
        time.sleep(draw.uniform(0.0, 0.2))
        process.kill()
    return process.returncode == -signal.SIGKILL


def evaluation(folder: Path, spec: str) -> tuple[str | Path, ...]:
    clips = write_clips(folder / "in", 12)
    options = ("--victim", "tiny", "--attack", "noise", "--snr-db", "15", "--no-evaluate", "--quiet")
    tool("attack", *clips, *options, "--out", folder / "whole")
    shutil.copytree(folder / "whole", folder / "killed")
    return "evaluate", "--victim", spec, "--quiet"


def suite(folder: Path, spec: str) -> tuple[str | Path, ...]:
    clips = write_clips(folder / "in", 4)
    asked: dict[str, Any] = {
        "inputs": [str(clip) for clip in clips],
        "victims": [{"name": "server", "spec": spec}],
        "attacks": [{"attack": "tf-evolution", "params": {"queries": 30}, "max_queries": 6}],
        "gates": ["success_rate <= 1"],
    }
    path = folder / "suite.yaml"
    path.write_text(yaml.safe_dump(asked))
    return "run", path, "--trust", "--quiet", "--out"


def texts(folder: Path, spec: str) -> tuple[str | Path, ...]:
    script = folder / "say.py"
    script.write_text(SPEAKER)
    said = [f"{verb} the {thing}" for verb in ("open", "close", "lock") for thing in ("door", "shop")]
    options = ("--perturbation", "homophones", "--victim", spec, "--max-queries", "5", "--quiet")
    return "text", *said, *options, "--speak", f"command:{sys.executable} {script} {{text}} {{out}}", "--out"


def differing(whole: Path, killed: Path) -> list[str]:
    """Files that differ, times apart."""
    found = []
    for path in sorted(path for path in whole.rglob("*") if path.is_file()):
        name = path.relative_to(whole)
        if path.suffix in (".json", ".jsonl"):
            if path.name not in ("run.json", "suite-state.json") and read(path) != read(killed / name):
                found.append(f"{name}: {first_difference(read(path), read(killed / name))}")
        elif path.suffix == ".flac" and path.read_bytes() != (killed / name).read_bytes():
            found.append(str(name))
    return found


def first_difference(one: Any, two: Any, where: str = "") -> str:
    """Where two JSON values differ, and how."""
    if isinstance(one, dict) and isinstance(two, dict) and one.keys() == two.keys():
        return next(first_difference(one[key], two[key], f"{where}.{key}") for key in one if one[key] != two[key])
    if isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        place = next(place for place, pair in enumerate(zip(one, two, strict=True)) if pair[0] != pair[1])
        return first_difference(one[place], two[place], f"{where}[{place}]")
    return f"{where}: {str(one)[:200]} against {str(two)[:200]}"


def trial(name: str, kills: int, seed: int) -> dict[str, Any]:
    draw = random.Random(f"{name}:{seed}")
    with tempfile.TemporaryDirectory() as temporary, counting(late=True) as server:
        folder, spec = Path(temporary), server.spec()
        whole, killed = folder / "whole", folder / "killed"
        start = {"evaluate": evaluation, "run": suite, "text": texts}[name](folder, spec)
        whole_line, line = (*start, whole), (*start, killed)
        tool(*whole_line)
        once, begun, struck, open_ = server.answered(), len(server.state.requests), 0, Counter[str]()
        for number in range(kills):
            if number % 2:
                server.kill_after(draw.choice((0, 1)), *line)
                struck += 1
            else:
                before = len(server.state.requests)
                struck += kill_at_any_moment(server, draw, *line)
                if len(server.state.requests) > before:
                    open_[server.state.requests[-1].digest] += 1
        tool(*line)
        twice = server.answered(begun) - once
        lost = {digest: count for digest, count in twice.items() if count > open_[digest]}
        return {
            "command": name,
            "kills": struck,
            "sounds": len(once),
            "asked (left alone)": once.total(),
            "asked (killed)": server.answered(begun).total(),
            "asked again, not under way at a kill": sum(lost.values()),
            "files that differ": differing(whole, killed),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--only", choices=("evaluate", "run", "text"), action="append")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for name in arguments.only or ("evaluate", "run", "text"):
        print(json.dumps(trial(name, arguments.kills, arguments.seed)), flush=True)


if __name__ == "__main__":
    main()
