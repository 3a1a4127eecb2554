"""The script that makes faults in the code: what it passes over, and that a trial tells found from not found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from scripts_fixture import script
from speechlike import ROOT

CODE = """
def half(x: int | None) -> float:
    size: int | None = x
    if x < 0:
        raise ValueError(f"{x * 2} < 0")
    return x / 2
"""
PROGRAM = """
import sys
from pathlib import Path
import mutants_tried as mutants
root = Path(sys.argv[1])
wrong, same, endless = "def half(x):\\n    return x * 2\\n", "def half(x):\\n    return 0.5 * x\\n", "while True:\\n    pass\\n"
for code, limit in ((wrong, 60.0), (same, 60.0), (endless, 2.0)):
    (ended,) = mutants.try_all([mutants.Trial("half.py", code, ("test_half.py",), limit)], root, 1)
    print(ended.code)
(ended,) = mutants.try_all([mutants.Trial("", "", ("test_half.py",), 60.0)], root, 1)
print(ended.code)
"""


@pytest.mark.parametrize(
    ("old", "new", "alike"),
    [
        ("x: int | None)", "x: int + None)", True),
        ("-> float", "-> not float", True),
        ("size: int | None", "size: int & None", True),
        ("{x * 2}", "{x / 2}", True),
        ("raise ValueError", "raise", False),
        ("return x / 2", "return x / 3", False),
        ("x < 0", "x <= 0", False),
        ("return x / 2", "return x //// 2", True),
    ],
)
def test_what_changes_nothing_that_is_run_is_no_mutant(old: str, new: str, alike: bool) -> None:
    assert old in CODE and script("mutants_drawn").behaves_alike(CODE, CODE.replace(old, new)) is alike


def test_a_models_annotations_are_run() -> None:
    model = "class Line(Record):\n    seed: Count | None\n"
    assert not script("mutants_drawn").behaves_alike(model, model.replace("|", "&"))
    plain = model.replace("(Record)", "")
    assert script("mutants_drawn").behaves_alike(plain, plain.replace("|", "&"))


def test_every_part_has_tests_that_exist() -> None:
    mutants = script("mutants")
    for part in mutants.PARTS:
        path = ROOT / mutants.PACKAGE / part
        for file in [path] if path.is_file() else path.glob("*.py"):
            asked = mutants.tests_of(file.relative_to(ROOT).as_posix())
            assert asked and all((ROOT / test).exists() for test in asked), file
    assert all((ROOT / mutants.PACKAGE / name).exists() for name in mutants.TESTS)


def test_the_table_counts_by_part() -> None:
    mutants = script("mutants")
    found = [
        mutants.Mutant(f"voiceattack/{path}", 1, "op", 0, "", "", survived)
        for path, survived in (
            ("metrics/text.py", True),
            ("metrics/text.py", False),
            ("metrics/terms.py", False),
            ("suite/gates.py", False),
        )
    ]
    lines = mutants.table(found).splitlines()
    assert "| metrics | 3 | 2 | 1 | 67% |" in lines and "| suite/gates.py | 1 | 1 | 0 | 100% |" in lines
    assert lines[-1] == "| **all** | 4 | 3 | 1 | 75% |" and "| runs | 0 | 0 | 0 |  |" in lines


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each trial is a fork")
def test_a_trial_fails_on_a_fault_and_leaves_the_tree_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "half.py").write_text("def half(x):\n    return x / 2\n")
    (tmp_path / "test_half.py").write_text("from half import half\n\n\ndef test_half():\n    assert half(3) == 1.5\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    paths = os.pathsep.join((str(ROOT / "scripts"), str(ROOT)))
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths}, timeout=300)
    assert done.stdout.split() == ["1", "0", "None", "0"], done.stdout + done.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
