"""Saving audio: what it refuses, and whole files or none when the disk is full or the process is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from limits import file_size_limit
from speechlike import ROOT, environment, tone
from torch import Tensor

from voiceattack.audio import clips as audio
from voiceattack.errors import AudioError, DiskError


@pytest.mark.parametrize(
    ("name", "waveform", "word"),
    [
        ("x.mp3", torch.zeros(1600), r"\.flac or \.wav"),
        ("x", torch.zeros(1600), r"\.flac or \.wav"),
        ("x.wav", torch.zeros(0), "shape"),
        ("x.wav", torch.zeros(1, 1, 1600), "shape"),
        ("x.wav", torch.tensor([0.0, float("nan")]), "NaN"),
        ("x.flac", torch.zeros(9, 1600), "9 channels"),
    ],
)
def test_save_refuses(tmp_path: Path, name: str, waveform: Tensor, word: str) -> None:
    with pytest.raises(AudioError, match=word):
        audio.save(tmp_path / name, waveform)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_not_an_error_of_the_sound(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match=r"Not a directory|File exists"):
        audio.save(tmp_path / "file" / "x.wav", torch.zeros(1600))


@pytest.mark.parametrize("suffix", ["flac", "wav"])
def test_a_write_cut_short_is_one_line_and_keeps_the_old_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    audio.save(path, tone(0.2))
    before = path.read_bytes()
    noise = torch.rand(160_000, generator=torch.Generator().manual_seed(0))
    with file_size_limit(4096), pytest.raises(DiskError, match=r"cannot be written .*free some space") as caught:
        audio.save(path, noise)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_a_really_full_disk_leaves_no_half_file(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        with pytest.raises(DiskError, match="No space left on device"):
            audio.save(disk / "x.wav", torch.rand(160_000))
        assert list(disk.iterdir()) == []
        audio.save(disk / "small.wav", tone(0.2))
        assert len(audio.load(disk / "small.wav")) == 3200
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_killed_while_saving_leaves_the_old_file_whole(tmp_path: Path) -> None:
    """A process that saves over and over is killed: whatever is under the file's name is one whole save."""
    path = tmp_path / "x.wav"
    program = (
        "import sys, torch\nfrom voiceattack import audio\nn = 0\n"
        "while True:\n"
        "    n += 1\n    audio.save(sys.argv[1], torch.full((200_000,), (n % 100) / 128))\n    print(n, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        process.kill()
    loaded = audio.load(path)
    assert loaded.shape == (200_000,)
    assert bool((loaded == loaded[0]).all())


INTERRUPTED = """
import os, signal, sys, threading, time

import torch

from voiceattack.audio import clips as audio
from voiceattack.children import terminable

wave, lost = torch.rand(16_000 * 30) - 0.5, 0
for turn in range(8):
    timer = threading.Timer(0.003 + 0.004 * turn, os.kill, (os.getpid(), signal.SIGINT))
    try:
        with terminable():
            timer.start()
            audio.save(sys.argv[1], wave)
            time.sleep(0.5)
        lost += 1
    except KeyboardInterrupt:
        timer.join()
print(lost)
"""


def test_an_interruption_while_a_file_is_encoded_is_not_lost(tmp_path: Path) -> None:
    """The encoder calls Python back to write; what is raised in there never comes out."""
    words = [sys.executable, "-c", INTERRUPTED, str(tmp_path / "x.flac")]

    def ready() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    done = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=120, check=False, preexec_fn=ready)
    assert done.returncode == 0 and done.stdout == "0\n", (done.stdout, done.stderr[-300:])
