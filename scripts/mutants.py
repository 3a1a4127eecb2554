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
import ast
import contextlib
import difflib
import importlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from multiprocessing import connection
from pathlib import Path

__all__ = ["PARTS", "TESTS", "Mutant", "Trial", "behaves_alike", "draw", "main", "places", "table", "tests_of", "try_all"]

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "voiceattack/"
PARTS = ("constraints", "objectives.py", "metrics", "runs", "suite/gate_metrics.py", "suite/gates.py")
"""Folders and files of the package that mutants are drawn from."""
TESTS: dict[str, tuple[str, ...]] = {
    "constraints": ("constraints/test_parts.py", "constraints/test_constraints.py"),
    "objectives.py": ("test_objectives.py",),
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
    "metrics/wakeups.py": ("metrics/test_wakeups.py",),
    "metrics/text.py": ("metrics/test_metrics.py", "metrics/test_error_rate.py", "metrics/test_terms.py"),
    "runs": ("runs",),
    "runs/journal.py": ("runs/test_journal.py",),
    "runs/provenance.py": ("runs/test_provenance.py", "runs/test_run.py"),
    "suite": ("suite/test_figures.py", "suite/test_gates.py", "suite/test_schema.py", "suite/test_run.py"),
}
"""In tests/, what is tried on a mutant of each; of several names that a file begins with the longest counts. The first test that
fails ends the trial, so quick ones come first."""
LARGE = (
    "torch",
    "torchaudio",
    "transformers",
    "scipy.stats",
    "scipy.signal",
    "jiwer",
    "pydantic",
    "typer",
    "rich.console",
    "yaml",
)
"""Imported once, before the forks; nothing of the package itself, which is what changes."""

QUIETLY = ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # of pytest's plug-ins among what is imported


@dataclass(frozen=True)
class Mutant:
    """A change of one place: cosmic-ray's operator, and which of its places in the file it is."""

    path: str
    line: int
    operator: str
    occurrence: int
    diff: str
    survived: bool | None = None


@dataclass(frozen=True)
class Trial:
    """Tests to run on a copy of the tree in which ``path`` reads ``code``; with an empty path on the tree as it is."""

    path: str
    code: str
    tests: tuple[str, ...]
    limit: float


@dataclass(frozen=True)
class Ended:
    """What became of a trial: its index, pytest's exit code (None when time was up) and what it wrote."""

    index: int
    code: int | None
    seconds: float
    log: str


class _Behaviour(ast.NodeTransformer):
    """Takes from a syntax tree what does not change behaviour: annotations that nothing reads, texts of errors raised."""

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        if node.bases:  # a model's annotations are its checks
            node.body = [line if isinstance(line, ast.AnnAssign) else self.visit(line) for line in node.body]
            return node
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            texts = (ast.JoinedStr, ast.Constant)
            node.exc.args = [ast.Constant("") if isinstance(one, texts) else one for one in node.exc.args]
        return node


def behaves_alike(code: str, other: str) -> bool:
    """Whether two texts of a module differ in nothing that is run, or the second is no Python at all."""
    try:
        first, second = (ast.dump(_Behaviour().visit(ast.parse(text))) for text in (code, other))
    except SyntaxError:
        return True
    return first == second


def tests_of(path: str) -> tuple[str, ...]:
    """The tests of a file, by the longest name in :data:`TESTS` that it begins with."""
    name = max((name for name in TESTS if path.removeprefix(PACKAGE).startswith(name)), key=len)
    return tuple(f"tests/{test}" for test in TESTS[name])


def places(root: Path) -> Iterator[list[tuple[str, str, int, int]]]:
    """For each place that can be changed its mutants: path, operator, occurrence, line."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    parts = [root / PACKAGE / name for name in PARTS]
    for file in sorted(file for part in parts for file in ([part] if part.is_file() else part.glob("*.py"))):
        nodes = list(ast_nodes(get_ast(file.read_text(encoding="utf-8"))))
        found: dict[tuple[int, int], list[tuple[str, str, int, int]]] = {}
        for operator in map(get_operator, operator_names()):
            if operator.arguments():
                continue
            spans = [span for node in nodes for span in operator().mutation_positions(node)]
            for occurrence, (start, _) in enumerate(spans):
                row = (file.relative_to(root).as_posix(), f"core/{operator.__name__}", occurrence, start[0])
                found.setdefault(start, []).append(row)
        yield from (found[start] for start in sorted(found))


def changed(root: Path, path: str, operator: str, occurrence: int) -> str:
    """The text of a file with one mutant in it."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    return str(mutate_code((root / path).read_text(encoding="utf-8"), get_operator(operator)(), occurrence))


def draw(root: Path, count: int, seed: int) -> list[Mutant]:
    """That many mutants, one a place."""
    dice, drawn = random.Random(seed), []
    for found in dice.sample(everywhere := list(places(root)), len(everywhere)):
        path, operator, occurrence, line = dice.choice(found)
        code, other = (root / path).read_text(encoding="utf-8"), changed(root, path, operator, occurrence)
        if not behaves_alike(code, other):
            lines = [text for text in difflib.ndiff(code.splitlines(), other.splitlines()) if text[0] in "+-"]
            drawn.append(Mutant(path, line, operator, occurrence, "\n".join(lines)))
        if len(drawn) == count:
            break
    return sorted(drawn, key=lambda one: (one.path, one.line, one.operator, one.occurrence))


def _copy(root: Path, to: Path) -> Path:
    """What git knows of the tree, and what it would add."""
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "-coz", "--exclude-standard"], capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (root / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, to / name)
    return to


def _test(tree: Path, tests: Sequence[str]) -> None:
    """In a process of its own: pytest on the tree, its exit code as this process's."""
    os.setsid()  # so that what tests start ends with them when time is up
    os.chdir(tree)
    log = os.open(tree.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.path.insert(0, str(tree))
    os.environ["PYTHONPATH"] = str(tree)
    sys.dont_write_bytecode = False
    import pytest

    asked = [
        "-x",
        "-q",
        "-m",
        "not slow",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        *QUIETLY,
        f"--basetemp={tree.with_suffix('.tmp')}",
    ]
    os._exit(int(pytest.main([*asked, *tests])))


def _start(trial: Trial, root: Path, tree: Path) -> multiprocessing.process.BaseProcess:
    if trial.path:
        (tree / trial.path).write_text(trial.code, encoding="utf-8")
    process = multiprocessing.get_context("fork").Process(target=_test, args=(tree, trial.tests))
    process.start()
    return process


def _restore(trial: Trial, root: Path, tree: Path) -> None:
    if trial.path:
        shutil.copy2(root / trial.path, tree / trial.path)
        for stale in (tree / trial.path).parent.glob(f"__pycache__/{Path(trial.path).stem}.*"):
            stale.unlink()  # two mutants in one second may be of one size, which is all that Python looks at


def try_all(trials: Iterable[Trial], root: Path, jobs: int) -> Iterator[Ended]:
    """Run each trial, ``jobs`` at a time; they come as they end."""
    with tempfile.TemporaryDirectory() as folder:
        free = [_copy(root, Path(folder) / f"tree{number}") for number in range(jobs)]
        waiting = deque(enumerate(trials))
        running: dict[int, tuple[int, Trial, Path, multiprocessing.process.BaseProcess, float]] = {}
        while waiting or running:
            while waiting and free:
                index, trial = waiting.popleft()
                tree = free.pop()
                process = _start(trial, root, tree)
                running[process.sentinel] = (index, trial, tree, process, time.monotonic())
            ended = connection.wait(list(running), timeout=1.0)
            for sentinel, (index, trial, tree, process, began) in list(running.items()):
                seconds = time.monotonic() - began
                late = sentinel not in ended and seconds > trial.limit
                if late:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(int(process.pid or 0), signal.SIGKILL)
                if late or sentinel in ended:
                    process.join()
                    _restore(trial, root, tree)
                    free.append(tree)
                    del running[sentinel]
                    log = tree.with_suffix(".log").read_text(encoding="utf-8", errors="replace")
                    yield Ended(index, None if late else process.exitcode, seconds, log)


def table(mutants: Sequence[Mutant]) -> str:
    """How many were made of each part of :data:`PARTS`, and found, as Markdown."""
    lines = ["| module | mutants | killed | survived | share killed |", "| --- | --: | --: | --: | --: |"]
    rows = {name: [one for one in mutants if one.path.removeprefix(PACKAGE).startswith(name)] for name in PARTS}
    for name, members in {**rows, "**all**": list(mutants)}.items():
        survived = sum(bool(one.survived) for one in members)
        share = f"{1 - survived / len(members):.0%}" if members else ""
        lines.append(f"| {name} | {len(members)} | {len(members) - survived} | {survived} | {share} |")
    return "\n".join(lines)


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
    if asked.again:
        mutants = [Mutant(**json.loads(line)) for line in asked.out.read_text(encoding="utf-8").splitlines()]
    else:
        mutants = draw(ROOT, asked.count, asked.seed)
    left = [index for index, one in enumerate(mutants) if one.survived is not False]
    limits = _limits([tests_of(mutants[index].path) for index in left], ROOT, asked.jobs)
    trials = []
    for index in left:
        one = mutants[index]
        tests = tests_of(one.path)
        trials.append(Trial(one.path, changed(ROOT, one.path, one.operator, one.occurrence), tests, limits[tests]))
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    for ended in try_all(trials, ROOT, asked.jobs):
        found = replace(mutants[left[ended.index]], survived=ended.code == 0)
        mutants[left[ended.index]] = found
        asked.out.write_text("".join(json.dumps(asdict(one)) + "\n" for one in mutants), encoding="utf-8")
        told = "SURVIVED" if found.survived else "killed" if ended.code is not None else "killed, time was up"
        print(f"{told} after {ended.seconds:.0f} s: {found.path}:{found.line} {found.operator}\n{found.diff}", flush=True)
    print(table(mutants))


if __name__ == "__main__":
    main()
