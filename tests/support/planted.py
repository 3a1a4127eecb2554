"""Commands on a run or suite of which one place is a link: nothing outside the directory may change."""

from __future__ import annotations

import shutil
import stat
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from speechlike import in_process, write_clips
from suite_fixture import write_suite

from voiceattack.listening import Session
from voiceattack.runs import Run


@dataclass(frozen=True)
class Case:
    """A command; what is deleted before it, so that it has to be written anew; and the places that it writes or reads first."""

    command: str
    deleted: tuple[str, ...] = ()
    touched: tuple[str, ...] = ()


ATTACK = "attack {made}/in/clip0.wav --out {run} --victim tiny --attack noise --snr-db 10 --keep-format"
RUN_CASES = {
    "attack": Case(
        ATTACK + " --no-evaluate", ("examples.jsonl", "original/*"), ("run.json", "examples.jsonl", "*/", "*.flac", "*.wav")
    ),
    "evaluate": Case("evaluate {run} --victim tiny", (), ("results.jsonl", "summary.json", "clean/", "audio/*")),
    "md": Case("report {run}", (), ("report.md", "plots/", "plots/*")),
    "html": Case("report {run} --format html", (), ("report.html", "report_files/", "report_files/*")),
    "json": Case("report {run} --format json", (), ("report.json",)),
    "csv": Case("report {run} --format csv", (), ("report.csv",)),
    "-o": Case("report {run} -o {run}/report.html -o {run}/plots/again.json", (), ("report.html", "plots/")),
    "curve": Case("curve {run}", (), ("curve.*",)),
    "export": Case("export {run} --out {elsewhere}/corpus", (), ("results.jsonl", "audio/", "audio/*")),
    "replay": Case("replay {run} {example}", (), ("examples.jsonl", "clean/*")),
    "listen": Case("listen {run} --csv {elsewhere}/answers.csv", (), ("listening/", "listening/*")),
    "compare": Case("compare {run} {run}", (), ("results.jsonl",)),
    "bless": Case("bless {run} --baseline {elsewhere}/baseline.json --yes", (), ("summary.json",)),
}
EVERYTHING = ("cells/*/examples.jsonl", "cells/*/results.jsonl", "heard/*", "inputs/*", "cells/*/report.csv")
SUITE_CASES = {
    "run": Case("run {made}/suite.yaml --out {run}", EVERYTHING, ("*/", "cells/*/*", "cells/*/audio/*", "heard/*", "*.*")),
    "prune": Case("run {made}/empty.yaml --out {run} --prune", (), ("cells/", "cells/*/")),
    "dry run": Case("run {made}/suite.yaml --out {run} --dry-run", EVERYTHING, ("inputs/", "cells/")),
    "merge into it": Case("merge {made}/suite.yaml {made}/other --out {run}", EVERYTHING, ("*/", "cells/*/", "cells/*/*")),
    "merge from it": Case("merge {made}/suite.yaml {run} --out {elsewhere}/merged", (), ("cells/", "cells/*/*")),
    "compare": Case("compare {run} {run}", (), ("summary.json",)),
    "bless": Case("bless {run} --baseline {elsewhere}/baseline.json --yes", (), ("summary.json",)),
}


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes | None]]:
    """Everything below a folder: kind, time of its last change, content."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        facts = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(facts.st_mode) else None
        found[str(path)] = (stat.S_IFMT(facts.st_mode), facts.st_mtime_ns, content)
    return found


def places(folder: Path) -> list[str]:
    """Every folder of a run or suite, ending in ``/``, and every file; of files that are many of a kind, one."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        many = relative.parent.name in ("audio", "clean", "original", "plots", "report_files", "inputs", "heard", "manifests")
        found.setdefault(
            f"{relative.parent}/*{path.suffix}" if many else str(relative), f"{relative}{'/' if path.is_dir() else ''}"
        )
    return list(found.values())


def make(folder: Path) -> Path:
    """A clip, a run with everything that a run can hold, and a suite with its run, a shard, and one that asks for nothing."""
    write_clips(folder / "in", 1)
    run = folder / "run"
    assert in_process(*ATTACK.format(made=folder, run=run).split()).returncode == 0
    assert in_process("report", run, "--format", "md,html,json,csv").returncode == 0
    assert in_process("curve", run).returncode == 0
    session = Session(Run.open(run), "anonymous")
    trial = session.next()
    assert trial is not None
    session.answer(trial.number, "a", 1.0, {})
    inputs = [{"path": "in/clip0.wav", "tags": ["speech"]}, {"generate": "no-speech", "kinds": ["silence"], "seconds": 1}]
    suite = write_suite(folder, count=1, inputs=inputs, attacks=[], gates=[])
    suite.rename(folder / "empty.yaml")
    suite = write_suite(folder, count=1, inputs=inputs, reports=["csv"])
    assert in_process("run", suite, "--out", folder / "suite").returncode == 0
    assert in_process("run", suite, "--out", folder / "other", "--shard", "1/2").returncode == 0
    return folder


def attempt(made: Path, work: Path, kind: str, case: Case, place: str) -> None:
    """Run the command with ``place`` a link: to the same content elsewhere, and, where it is a file, to what is not there yet."""
    for dangling in (False,) if place.endswith("/") else (False, True):
        shutil.rmtree(work, ignore_errors=True)
        run, outside, elsewhere = work / "run", work / "outside", work / "elsewhere"
        shutil.copytree(made / kind, run)
        outside.mkdir()
        elsewhere.mkdir()
        path, target = run / place, outside / "moved"
        for pattern in case.deleted:
            for file in run.glob(pattern):
                if file != path:
                    file.unlink()
        if dangling:
            path.unlink()
        else:
            shutil.move(path, target)
        path.symlink_to(target)
        before = snapshot(outside)
        example = min(file.stem for file in (made / "run" / "audio").iterdir())
        done = in_process(*case.command.format(run=run, elsewhere=elsewhere, made=made, example=example).split())
        told = f"{case.command}, {place}, {'a link to nothing' if dangling else 'moved'}: exit {done.returncode}, {done.stderr}"
        assert snapshot(outside) == before, f"written through a link: {told}"
        assert "unexpected" not in done.stderr and "Traceback" not in done.stderr, told


def parted(folder: Path, case: Case) -> tuple[list[str], list[str]]:
    """The places of a run or suite: those that the command writes or reads first, and the others."""
    found = places(folder)
    first = [place for place in found if any(fnmatch(place, pattern) for pattern in case.touched)]
    return first, [place for place in found if place not in first]
