"""A run or suite that somebody sends may hold links. Whatever a command does, nothing outside the directory is changed."""

from __future__ import annotations

import shutil
import stat
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest
from speechlike import in_process, write_clips
from suite_fixture import write_suite

from voiceattack.errors import RunError
from voiceattack.listening import Session
from voiceattack.runs import Run
from voiceattack.victims.wrappers.cache import QueryCache


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


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip, a run with everything that a run can hold, and a suite with its run, a shard, and one that asks for nothing."""
    folder = tmp_path_factory.mktemp("made")
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


def check(made: Path, work: Path, kind: str, case: Case, *, every: bool) -> None:
    chosen = [place for place in places(made / kind) if every or any(fnmatch(place, pattern) for pattern in case.touched)]
    assert chosen
    for place in chosen:
        attempt(made, work / "attempt", kind, case, place)


@pytest.mark.parametrize("name", RUN_CASES)
def test_no_command_writes_out_of_a_run(made: Path, tmp_path: Path, name: str) -> None:
    check(made, tmp_path, "run", RUN_CASES[name], every=False)


@pytest.mark.parametrize("name", SUITE_CASES)
def test_no_command_writes_out_of_a_suite(made: Path, tmp_path: Path, name: str) -> None:
    check(made, tmp_path, "suite", SUITE_CASES[name], every=False)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), [*(("run", name) for name in RUN_CASES), *(("suite", name) for name in SUITE_CASES)])
def test_no_command_writes_out_at_any_place(made: Path, tmp_path: Path, kind: str, name: str) -> None:
    check(made, tmp_path, kind, {"run": RUN_CASES, "suite": SUITE_CASES}[kind][name], every=True)


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
