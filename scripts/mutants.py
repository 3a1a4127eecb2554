"""How many faults the tests find: a seeded sample of mutants of some modules, each tried against the tests of its module.

    python scripts/mutants.py                      200 mutants; a table, and each mutant in build/mutants.jsonl
    python scripts/mutants.py --again              those that survived the last time once more, after a test was written

cosmic-ray makes the mutants: another operator, number, comparison or constant, a ``not``, a loop that never runs. Places in the
code are drawn first and one mutant for each, since some operators make a dozen mutants of one place. What changes no behaviour is
passed over: type annotations and the texts of errors raised. Everything happens in copies of the tree. Each trial is a fork of
one process that has imported the large packages already, so that it costs its tests and little more (POSIX only).
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from mutants_drawn import Mutant, changed, draw
from mutants_tried import Trial, try_all

__all__ = ["PARTS", "TESTS", "main", "table", "tests_of"]

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "voiceattack/"
PARTS = ("constraints", "objectives", "metrics", "runs", "suite/figures.py", "suite/gate_metrics.py", "suite/gates.py")
"""Folders and files of the package that mutants are drawn from."""
TESTS: dict[str, tuple[str, ...]] = {
    "constraints": ("constraints/test_parts.py", "constraints/test_constraints.py"),
    "objectives": ("test_objectives.py",),
    "metrics": ("metrics/test_metrics.py",),
    "metrics/__init__.py": ("metrics/test_metrics.py", "metrics/test_columns.py"),
    "metrics/degradation.py": ("metrics/test_degradation.py",),
    "metrics/error_rate.py": ("metrics/test_error_rate.py",),
    "metrics/intervals.py": ("metrics/test_intervals.py",),
    "metrics/masking.py": ("metrics/test_masking_model.py", "metrics/test_psychoacoustics.py"),
    "metrics/metric.py": ("metrics/test_columns.py",),
    "metrics/perceptual.py": ("metrics/test_metrics.py", "test_apart.py"),
    "metrics/psychoacoustics.py": ("metrics/test_masking_model.py", "metrics/test_psychoacoustics.py"),
    "metrics/terms.py": ("metrics/test_terms.py",),
    "metrics/text.py": ("metrics/test_metrics.py", "metrics/test_error_rate.py", "metrics/test_terms.py"),
    "metrics/wakeups.py": ("metrics/test_wakeups.py",),
    "runs": ("runs",),
    "runs/journal.py": ("runs/test_journal.py",),
    "runs/provenance.py": ("runs/test_provenance.py", "runs/test_run.py"),
    "suite": ("suite/test_figures.py", "suite/test_gates.py", "suite/test_schema.py", "suite/test_run.py"),
}
"""In tests/, what is tried on a mutant of each; of several names that a file begins with the longest counts. The first test that
fails ends the trial, so quick ones come first."""
LARGE = ("torch", "torchaudio", "transformers", "scipy.stats", "scipy.signal", "jiwer", "pydantic", "typer", "rich.console")
"""Imported once, before the forks; nothing of the package itself, which is what changes."""


def tests_of(path: str) -> tuple[str, ...]:
    """The tests of a file, by the longest name in :data:`TESTS` that it begins with."""
    name = max((name for name in TESTS if path.removeprefix(PACKAGE).startswith(name)), key=len)
    return tuple(f"tests/{test}" for test in TESTS[name])


def table(mutants: Sequence[Mutant]) -> str:
    """How many were made of each part of :data:`PARTS`, and found, as Markdown."""
    lines = ["| module | mutants | killed | survived | share killed |", "| --- | --: | --: | --: | --: |"]
    rows = {name: [one for one in mutants if one.path.removeprefix(PACKAGE).startswith(name)] for name in PARTS}
    for name, members in {**rows, "**all**": list(mutants)}.items():
        survived = sum(bool(one.survived) for one in members)
        share = f"{1 - survived / len(members):.0%}" if members else ""
        lines.append(f"| {name} | {len(members)} | {len(members) - survived} | {survived} | {share} |")
    return "\n".join(lines)


def _files() -> list[Path]:
    parts = [ROOT / PACKAGE / name for name in PARTS]
    return [file for part in parts for file in ([part] if part.is_file() else part.glob("*.py"))]


def _known(file: Path) -> Iterator[Mutant]:
    """The mutants of an earlier run, as they are made today."""
    for line in file.read_text(encoding="utf-8").splitlines():
        found = json.loads(line)
        code, diff = changed(ROOT, found["path"], found["operator"], found["occurrence"])
        if diff != found["diff"]:
            raise SystemExit(f"{found['path']} has changed since {file} was written, so draw again, without --again")
        yield Mutant(code=code, **found)


def _limits(parts: Iterable[tuple[str, ...]], root: Path, jobs: int) -> dict[tuple[str, ...], float]:
    """Seconds after which a mutant counts as killed, by its tests: they must pass on the tree as it is."""
    asked = sorted(set(parts))
    limits = {}
    for one in try_all([Trial("", "", tests, 1800.0) for tests in asked], root, jobs):
        if one.code != 0:
            raise SystemExit(f"{one.log}\nwithout a mutant these tests must pass: {' '.join(asked[one.index])}")
        limits[asked[one.index]] = 60.0 + 4 * one.seconds
        print(f"without a mutant: {one.seconds:.0f} s, {' '.join(asked[one.index])}", flush=True)
    return limits


def main() -> None:
    """Draw the mutants, or read those that survived, try them, and write what became of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="mutants (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default: 0)")
    parser.add_argument("--jobs", type=int, default=2, help="mutants tried at once (default: 2)")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "mutants.jsonl", help="a line a mutant")
    parser.add_argument("--again", action="store_true", help="try those of --out again that survived, and no others")
    asked = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    for name in LARGE:
        importlib.import_module(name)
    mutants = list(_known(asked.out)) if asked.again else draw(ROOT, _files(), asked.count, asked.seed)
    left = [index for index, one in enumerate(mutants) if one.survived is not False]
    limits = _limits([tests_of(mutants[index].path) for index in left], ROOT, asked.jobs)
    trials = [Trial(one.path, one.code, tests_of(one.path), limits[tests_of(one.path)]) for one in (mutants[i] for i in left)]
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    for ended in try_all(trials, ROOT, asked.jobs):
        found = replace(mutants[left[ended.index]], survived=ended.code == 0)
        mutants[left[ended.index]] = found
        lines = [json.dumps({name: value for name, value in asdict(one).items() if name != "code"}) for one in mutants]
        asked.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
        told = "SURVIVED" if found.survived else "killed" if ended.code is not None else "killed, time was up"
        print(f"{told} after {ended.seconds:.0f} s: {found.path}:{found.line} {found.operator}\n{found.diff}", flush=True)
    print(table(mutants))


if __name__ == "__main__":
    main()
