"""A full disk and kill -9 cost a run nothing that was finished."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from limits import file_size_limit
from result_lines import result
from run_fixture import REQUEST, example
from speechlike import ROOT

from voiceattack.errors import RunError
from voiceattack.runs import Run


def test_a_full_disk_keeps_what_was_there(run: Run) -> None:
    run.append(example("a"))
    run.write_results([result()])
    whole = (run.path / "examples.jsonl").read_bytes()
    writes: list[Callable[[], None]] = [
        lambda: run.append(example("b")),
        lambda: run.write_results([result(id="x" * 10_000)]),
        lambda: run.write_summary({"x": "x" * 10_000}),
    ]
    with file_size_limit(len(whole) + 100):
        for write in writes:
            with pytest.raises(RunError, match=r"cannot be written \(File too large\)") as caught:
                write()
            assert "\n" not in str(caught.value)
    assert (run.path / "examples.jsonl").read_bytes() == whole
    assert run.results() == [result()]
    assert sorted(item.name for item in run.path.iterdir()) == ["audio", "clean", "examples.jsonl", "results.jsonl", "run.json"]
    run.append(example("b"))
    assert run.done_ids() == {"a", "b"}


def test_a_run_cannot_begin_on_a_full_disk(tmp_path: Path) -> None:
    with file_size_limit(10), pytest.raises(RunError, match="cannot be written"):
        Run.create(tmp_path / "run", REQUEST)
    assert Run.create(tmp_path / "run", REQUEST).examples() == []


def test_killed_in_the_middle_the_run_resumes_and_loses_no_finished_example(tmp_path: Path) -> None:
    program = (
        "import sys\nsys.path.insert(0, 'tests/support')\n"
        "from run_fixture import REQUEST, example\nfrom voiceattack.runs import Run\n"
        "run = Run.create(sys.argv[1], REQUEST)\n"
        "for n in range(len(run.done_ids()), 10**9):\n"
        "    run.append(example(f'n{n}', reference='x' * 200_000))\n    print(n, flush=True)\n"
    )
    path, promised = tmp_path / "run", -1
    for _ in range(2):
        command = [sys.executable, "-c", program, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
            assert process.stdout is not None
            for _ in range(10):
                promised = int(process.stdout.readline())
            os.kill(process.pid, signal.SIGKILL)
    # Whatever the moment of the kill was, tear the line as the worst moment would.
    file = path / "examples.jsonl"
    with open(file, "ab") as handle:
        handle.write(b'{"id": "n' + b"x" * 1000)
    run = Run.create(path, REQUEST)
    ids = [item.id for item in run.examples()]
    assert ids == [f"n{n}" for n in range(len(ids))]
    assert len(ids) > promised
    run.append(example("last"))
    assert [item.id for item in run.examples()] == [*ids, "last"]
    assert all(json.loads(line) for line in file.read_text().splitlines())
