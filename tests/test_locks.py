"""One process at a time writes a directory; whoever comes second learns who is there; a killed one leaves nothing locked."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from speechlike import command, environment, in_process, write_clips
from suite_fixture import write_suite

from voiceattack.errors import RunError
from voiceattack.files import whole_file, write_whole
from voiceattack.locks import LOCK_FILE, holder_of, locked

ATTACK = ("--victim", "tiny", "--attack", "noise", "--snr-db", "10", "--no-report")
HOLD = (
    "import sys, time; from voiceattack.locks import locked\nwith locked(sys.argv[1]): print('held', flush=True); time.sleep(600)"
)


@contextlib.contextmanager
def another_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the folder's lock until it is killed."""
    line = [sys.executable, "-c", HOLD, str(folder)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment())
    try:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def refused(process: subprocess.Popen[str], *arguments: str | Path) -> None:
    done = in_process(*arguments)
    assert done.returncode == 2, done
    assert f"is being written by process {process.pid} on {socket.gethostname()} since 20" in done.stderr, done.stderr
    assert "(-c " in done.stderr and "stop it, or choose another folder" in done.stderr, done.stderr


@pytest.fixture
def clips(tmp_path: Path) -> list[str]:
    return write_clips(tmp_path / "in", 1)


def test_every_command_that_writes_a_run_is_refused_and_works_once_the_other_was_killed(tmp_path: Path, clips: list[str]) -> None:
    run, texts, table = tmp_path / "run", tmp_path / "texts", tmp_path / "table"
    commands: dict[Path, list[tuple[str | Path, ...]]] = {
        run: [("attack", *clips, "--out", run, *ATTACK), ("evaluate", run, "--victim", "tiny")],
        texts: [("text", "turn the light on", "--perturbation", "typos", "--out", texts), ("evaluate", texts)],
        table: [("corruptions", *clips, "--victim", "tiny", "--names", "gain", "--severities", "1", "--out", table)],
        tmp_path / "said": [("speak", "hello", "--out", tmp_path / "said")],
    }
    for folder, lines in commands.items():
        assert in_process(*lines[0]).returncode == 0
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        with another_process(folder) as process:
            for line in lines:
                refused(process, *line)
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert (folder / LOCK_FILE).exists() and holder_of(folder) is None
            for line in lines:
                done = in_process(*line)
                assert done.returncode == 0, done.stderr
        assert {path for path in folder.rglob("*") if path.is_file()} == set(before)


def test_a_suite_and_a_merge_are_refused(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, count=2)
    out, merged = tmp_path / "out", tmp_path / "merged"
    assert in_process("run", suite, "--out", out, "--shard", "1/2").returncode == 0
    assert in_process("run", suite, "--out", tmp_path / "two", "--shard", "2/2").returncode == 0
    with another_process(out) as process:
        refused(process, "run", suite, "--out", out)
        refused(process, "merge", suite, tmp_path / "two", "--out", out)
        done = in_process("merge", suite, out, tmp_path / "two", "--out", merged)
        assert done.returncode == 2 and f"is being written by process {process.pid}" in done.stderr
        assert "merge when it has finished" in done.stderr
    assert in_process("merge", suite, out, tmp_path / "two", "--out", merged).returncode == 0
    assert not list(merged.rglob(LOCK_FILE))


def test_a_reader_is_told_who_writes(tmp_path: Path, clips: list[str]) -> None:
    run = tmp_path / "run"
    assert in_process("attack", clips[0], "--out", run, *ATTACK).returncode == 0
    with another_process(run) as process:
        for line in (
            ("report", run, "--format", "html"),
            ("export", run, "--out", tmp_path / "corpus"),
            ("listen", run, "--dry-run"),
        ):
            done = in_process(*line)
            assert done.returncode == 0, done.stderr
            assert f"note: {run} is being written by process {process.pid} on" in done.stderr
            assert done.stderr.endswith("what is read here is what was finished by now\n")


def test_two_exports_to_one_folder(tmp_path: Path, clips: list[str]) -> None:
    run, out = tmp_path / "run", tmp_path / "corpus"
    assert in_process("attack", clips[0], "--out", run, *ATTACK).returncode == 0
    part = tmp_path / ".corpus.part"
    with another_process(part) as process:
        refused(process, "export", run, "--out", out)
        assert not out.exists() and part.exists()
        (part / "half").mkdir()
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert in_process("export", run, "--out", out).returncode == 0
    assert not part.exists() and not (out / LOCK_FILE).exists() and not (out / "half").exists()


def test_of_two_processes_started_on_one_run_one_does_it_all(tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "in", 4)
    line = ("attack", *clips, "--out", tmp_path / "run", *ATTACK, "--no-evaluate")
    both = [subprocess.Popen(command(*line), env=environment(), stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=300)[1] for process in both]
    codes = [process.returncode for process in both]
    assert sorted(codes) in ([0, 2], [0, 0]), told  # the second may have come when the first was done
    if 2 in codes:
        second = codes.index(2)
        assert f"is being written by process {both[1 - second].pid} on" in told[second] and "attack" in told[second]
    assert in_process("attack", *clips, "--out", tmp_path / "alone", *ATTACK, "--no-evaluate").returncode == 0
    for folder in ("audio", "clean"):
        made, alone = (
            {path.name: path.read_bytes() for path in (tmp_path / name / folder).iterdir()} for name in ("run", "alone")
        )
        assert made == alone
    assert len((tmp_path / "run" / "examples.jsonl").read_text().splitlines()) == 4


def test_the_same_thread_may_lock_again_and_another_may_not(tmp_path: Path) -> None:
    told = []

    def other() -> None:
        try:
            with locked(tmp_path / "run"):
                told.append("entered")
        except RunError as error:
            told.append(str(error))

    with locked(tmp_path / "run"), locked(tmp_path / "run"):
        assert (tmp_path / "run" / LOCK_FILE).exists()
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert f"is being written by process {os.getpid()}" in told[0]
    assert not (tmp_path / "run").exists()  # nothing was written
    other()
    assert told[1] == "entered"


def test_what_a_stranger_put_in_the_locks_place_is_not_followed(tmp_path: Path) -> None:
    canary, other = tmp_path / "canary", tmp_path / "hard"
    canary.write_text("untouched")
    other.write_text("untouched")
    for plant in (
        lambda path: path.symlink_to(canary),
        lambda path: path.symlink_to(tmp_path / "new"),
        lambda path: os.link(other, path),
        os.mkfifo,
    ):
        folder = tmp_path / "run"
        folder.mkdir()
        plant(folder / LOCK_FILE)
        with locked(folder):
            pass
        assert not list(folder.iterdir())
        folder.rmdir()
    assert canary.read_text() == other.read_text() == "untouched" and not (tmp_path / "new").exists()


def test_two_writers_of_one_file_leave_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    script = "import sys; from pathlib import Path; from voiceattack.files import write_whole\n"
    script += "for turn in range(60): write_whole(Path(sys.argv[1]), sys.argv[2].encode() * 50_000)"
    both = [subprocess.Popen([sys.executable, "-c", script, str(path), letter], env=environment()) for letter in "ab"]
    while any(process.poll() is None for process in both):
        with contextlib.suppress(FileNotFoundError):
            data = path.read_bytes()
            assert len(data) == 50_000 and len(set(data)) == 1
        time.sleep(0.01)
    assert [process.returncode for process in both] == [0, 0]
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_a_file_is_there_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with pytest.raises(ZeroDivisionError), whole_file(path) as file:
        file.write(b"half")
        file.flush()
        assert not path.exists()
        raise ZeroDivisionError
    assert not list(path.parent.iterdir())
    write_whole(path, b"one")
    with pytest.raises(ZeroDivisionError), whole_file(path) as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"one"
    shutil.copyfile(path, path.with_name(".file.part"))  # what a killed process left
    write_whole(path, b"two")
    assert path.read_bytes() == b"two" and [item.name for item in path.parent.iterdir()] == ["file"]
