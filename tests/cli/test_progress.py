"""Signs of life: before the heavy imports, at intervals, on stderr alone, and none under --quiet."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from speechlike import environment, in_process, write_clips

from voiceattack.cli.progress import PACE, Pace, progress

LOADS = "*torch is imported*"
WATCHED = f"""
import sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print({LOADS!r}, file=sys.__stderr__, flush=True)
sys.meta_path.insert(0, Watch())
from voiceattack.cli import main
sys.exit(main())
"""


def on_terminal(*arguments: str) -> tuple[str, str]:
    """Stdout, a pipe, and stderr, a terminal, of a command in a process of its own that tells when it imports torch."""
    terminal, end = pty.openpty()
    surroundings = {name: value for name, value in environment().items() if name != "CI"} | {"TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        [sys.executable, "-c", WATCHED, *arguments], stdout=subprocess.PIPE, stderr=end, env=surroundings
    ) as process:
        os.close(end)
        shown = b""
        with contextlib.suppress(OSError):  # what a terminal whose other end is closed says
            while read := os.read(terminal, 4096):
                shown += read
        os.close(terminal)
        assert process.stdout is not None
        out = process.stdout.read().decode()
    assert process.returncode == 0, shown
    return out, shown.decode()


def until(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def unread() -> contextlib.redirect_stderr[io.StringIO]:
    """Stderr that is no terminal."""
    return contextlib.redirect_stderr(io.StringIO())


def test_it_says_what_it_loads_before_it_loads_it(tmp_path: Path) -> None:
    clips = write_clips(tmp_path, 1)
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, "transcribe", *clips, "--victim", "tiny"],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert done.stderr.splitlines() == ["voiceattack: loading tiny ...", LOADS]
    assert done.stdout == in_process("transcribe", *clips, "--victim", "tiny").stdout


def test_the_default_victim_is_named_and_one_that_a_file_names_is_not(tmp_path: Path) -> None:
    """The process ends as it is about to import torch."""
    stop = WATCHED.replace("flush=True)", "flush=True); sys.exit(3)")
    for words, told in (
        ("attack a.wav", "loading whisper-tiny.en ..."),
        ("evaluate run", "loading ..."),
        ("report run", "loading ..."),
    ):
        done = subprocess.run(
            [sys.executable, "-c", stop, *words.split()],
            capture_output=True,
            text=True,
            env=environment(),
            cwd=tmp_path,
            check=False,
        )
        assert done.stderr.splitlines()[:2] == [f"voiceattack: {told}", LOADS], done.stderr


def test_a_terminal_shows_a_spinner_first_and_stdout_stays_what_it_is(tmp_path: Path) -> None:
    clips = write_clips(tmp_path, 2)
    out, shown = on_terminal("transcribe", *clips, "--victim", "tiny")
    assert -1 < shown.index("loading tiny ...") < shown.index(LOADS)
    assert out == in_process("transcribe", *clips, "--victim", "tiny").stdout
    assert "listening" in shown and not any(clip in line for line in shown.splitlines() for clip in clips if "\t" in line)
    quiet = on_terminal("transcribe", *clips, "--victim", "tiny", "--quiet")
    assert quiet[0] == "" and quiet[1].split() == LOADS.split()


def test_without_a_terminal_a_line_comes_at_every_interval() -> None:
    with unread() as stderr, progress("attacking", quiet=False, pace=Pace(every=0.01)) as tell:
        assert tell is not None
        tell(0, 10, "clip 1 of 5: lamp")
        tell(4, 10, "clip 3 of 5: do\u202eor")
        until(lambda: stderr.getvalue().count(" left; ") >= 2)
    lines = stderr.getvalue().splitlines()
    assert lines[-1].startswith("voiceattack: attacking: 40% after 0 s, about 0 s left; clip 3 of 5: do⟨U+202E⟩or")


def test_a_step_that_takes_long_is_told_too() -> None:
    with unread() as stderr, progress("attacking", quiet=False, pace=Pace(every=0.01)):
        until(lambda: bool(stderr.getvalue()))
    assert stderr.getvalue().startswith("voiceattack: attacking: 0 s so far\n")


def test_of_many_short_tasks_one_is_told_now_and_then() -> None:
    pace = Pace(every=1000.0, last=time.monotonic() - 1000.0)
    with unread() as stderr, progress("first", quiet=False, pace=pace):
        until(lambda: bool(stderr.getvalue()))
    assert stderr.getvalue().count("\n") == 1 and "first" in stderr.getvalue()
    with unread() as stderr, progress("second", quiet=False, pace=pace):
        pass
    assert stderr.getvalue() == ""


def test_a_command_tells_on_stderr_and_its_results_on_stdout_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ("attack", *write_clips(tmp_path / "in", 2), "--victim", "tiny", "--steps", "40", "--snr-db", "25", "--out")
    silent = in_process(*run, tmp_path / "a")
    monkeypatch.setattr(PACE, "every", 0.01)
    told = in_process(*run, tmp_path / "b")
    assert silent.stderr == "" and told.stdout.replace(f"{tmp_path}/b", f"{tmp_path}/a") == silent.stdout
    for words in ("attacking: ", "; clip 2 of 2: clip1", "hearing back: ", "; measuring 1 of 4: ", "; drawing 2 of 2: "):
        assert words in told.stderr, told.stderr
    assert all(line.startswith("voiceattack: ") for line in told.stderr.splitlines())


def test_quiet_shows_nothing() -> None:
    with unread() as stderr, progress("attacking", quiet=True, pace=Pace(every=0.0)) as tell:
        assert tell is None
    assert stderr.getvalue() == ""
