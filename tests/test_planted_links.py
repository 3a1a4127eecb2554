"""A run or suite that somebody sends may hold links. Whatever a command does, nothing outside the directory is changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from planted import RUN_CASES, SUITE_CASES, Case, attempt, make, parted
from speechlike import in_process, write_clips
from suite_fixture import write_suite

from voiceattack.errors import RunError
from voiceattack.runs import Run
from voiceattack.victims.wrappers.cache import QueryCache


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("made"))


def _check(made: Path, work: Path, kind: str, case: Case) -> None:
    """The places that the command writes or reads first; ``test_planted_links_everywhere.py`` takes the others."""
    first, _ = parted(made / kind, case)
    assert first
    for place in first:
        attempt(made, work / "attempt", kind, case, place)


@pytest.mark.parametrize("name", RUN_CASES)
def test_no_command_writes_out_of_a_run(made: Path, tmp_path: Path, name: str) -> None:
    _check(made, tmp_path, "run", RUN_CASES[name])


@pytest.mark.parametrize("name", SUITE_CASES)
def test_no_command_writes_out_of_a_suite(made: Path, tmp_path: Path, name: str) -> None:
    _check(made, tmp_path, "suite", SUITE_CASES[name])


def test_planted_parts_are_not_written_through(made: Path, tmp_path: Path) -> None:
    run, canary = tmp_path / "run", tmp_path / "canary"
    shutil.copytree(made / "run", run)
    canary.write_bytes(b"untouched")
    outputs = [path for path in run.rglob("*") if path.is_file()]
    for path in outputs:
        path.with_name(f".{path.name}.part").symlink_to(canary)
    (run / ".lock").symlink_to(canary)
    (run / "examples.jsonl").unlink()
    for case in (RUN_CASES[name] for name in ("attack", "evaluate", "curve")):
        assert in_process(*case.command.format(run=run, made=made).split()).returncode == 0
    assert in_process("report", run, "--format", "md,html,json,csv").returncode == 0
    assert canary.read_bytes() == b"untouched"
    assert all(path.is_file() and not path.is_symlink() for path in outputs)


@pytest.mark.parametrize("name", ["examples.jsonl", "results.jsonl", "summary.json", "audio", "clean"])
def test_no_record_is_read_through_a_link(made: Path, tmp_path: Path, name: str) -> None:
    run = Run.open(shutil.copytree(made / "run", tmp_path / "run"))
    reads = {
        "examples.jsonl": run.examples,
        "results.jsonl": run.results,
        "summary.json": run.summary,
        "audio": lambda: run.audio_path("a"),
        "clean": lambda: run.clean_path("a"),
    }
    reads[name]()
    shutil.move(run.path / name, tmp_path / name)
    (run.path / name).symlink_to(tmp_path / name)
    with pytest.raises(RunError, match="outside the run; the run was tampered with: remove the link"):
        reads[name]()


def test_run_json_is_not_read_through_a_link(made: Path, tmp_path: Path) -> None:
    run = shutil.copytree(made / "run", tmp_path / "run")
    shutil.move(run / "run.json", tmp_path / "run.json")
    (run / "run.json").symlink_to(tmp_path / "run.json")
    with pytest.raises(RunError, match="outside the run"):
        Run.open(run)


@pytest.mark.parametrize("suffix", ["", "-journal", "-wal", "-shm"])
def test_a_query_cache_is_not_opened_through_a_link(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "cache").mkdir()
    canary = tmp_path / "canary"
    (tmp_path / "cache" / f"queries.sqlite{suffix}").symlink_to(canary)
    with pytest.raises(RunError, match="outside the run"):
        QueryCache(tmp_path / "cache")
    assert not canary.exists()


def test_a_directory_that_is_itself_a_link_works(tmp_path: Path) -> None:
    (clip,) = write_clips(tmp_path / "in", 1)
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    done = in_process("attack", clip, "--out", tmp_path / "out", "--victim", "tiny", "--attack", "noise", "--snr-db", "10")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").is_symlink() and (tmp_path / "disk" / "report.md").is_file()
    assert in_process("report", tmp_path / "out", "--format", "html").returncode == 0


def test_links_inside_a_run_work(made: Path, tmp_path: Path) -> None:
    run = shutil.copytree(made / "run", tmp_path / "run")
    (run / "audio").rename(run / "sounds")
    (run / "audio").symlink_to("sounds")
    assert in_process("report", run, "--format", "html").returncode == 0
    assert "cannot be shown" not in "".join(path.read_text() for path in (run / "report_files").iterdir())


@pytest.mark.parametrize("name", ["../stolen.json", "{absolute}/stolen.json", "link/stolen.json"])
def test_a_suite_names_no_output_outside_its_folder(tmp_path: Path, name: str) -> None:
    suite = write_suite(tmp_path / "suite", count=1, outputs=[name.format(absolute=tmp_path)])
    (tmp_path / "suite" / "link").symlink_to(tmp_path)
    done = in_process("run", suite, "--out", tmp_path / "out")
    assert done.returncode == 2 and "leads out of the folder of the suite; to write there, give it as -o" in done.stderr
    assert not (tmp_path / "stolen.json").exists()
