"""``command:my-asr --file {audio}``: any program that prints a transcript; a black box."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from voiceattack.audio.clips import Batch
from voiceattack.children import child
from voiceattack.errors import SpecError, VictimError
from voiceattack.languages import language_code
from voiceattack.unicode_text import visible
from voiceattack.victims.base import Transcript, Victim
from voiceattack.victims.keys import Keys
from voiceattack.victims.options import take_number
from voiceattack.victims.servers.retry import wav

__all__ = ["CommandVictim", "load"]

AUDIO = "{audio}"
TIMEOUT_SECONDS = 60.0
MOST_BYTES = 1 << 16
TAIL_BYTES = 4096
TAIL_SHOWN = 300
FAR_AWAY_SECONDS = 5.0
"""How long the end of a pipe is waited for once the process and its group are dead."""


class CommandVictim(Victim):
    """A program run once a clip, without a shell; what it prints on standard output is the transcript.

    It runs in a process group of its own, which is killed whole when the time is over, and when it ends and leaves children
    behind. It has this process's environment; where it prints one of the keys in it, ``***`` stands
    (:meth:`voiceattack.victims.keys.Keys.of_environment`).

    Args:
        words: the program and its arguments; ``{audio}`` in any of them stands for a mono 16-bit WAV file of 16 kHz.
        timeout: seconds it may take for one clip.
        language: of the speech it expects.
    """

    costly = True

    def __init__(self, words: list[str], timeout: float = TIMEOUT_SECONDS, language: str = "en") -> None:
        self.spec = f"command:{shlex.join(words)}"
        self.language = language_code(language)
        self._words, self._timeout, self._keys = words, timeout, Keys.of_environment()

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "family": "command", "command": self._words}

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return [self._hear(clip) for clip in batch.clips()]

    def _hear(self, clip: Tensor) -> Transcript:
        if not clip.numel():
            return Transcript("")
        with tempfile.TemporaryDirectory(prefix="voiceattack-") as folder:
            path = Path(folder) / "audio.wav"
            path.write_bytes(wav(clip))
            return Transcript(self._run([word.replace(AUDIO, str(path)) for word in self._words]))

    def _run(self, words: list[str]) -> str:
        name = self._words[0]
        kept: list[_Kept] = []
        try:
            with child(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                assert process.stdout is not None and process.stderr is not None
                kept += [_Kept(process.stdout, first=MOST_BYTES), _Kept(process.stderr, last=TAIL_BYTES)]
                code = process.wait(self._timeout)
        except FileNotFoundError as error:
            raise VictimError(f"command {name!r}: no such program; install it or give its path") from error
        except (OSError, ValueError) as error:
            raise VictimError(f"command {name!r}: cannot be run ({error}); check it") from error
        except subprocess.TimeoutExpired as error:
            raise VictimError(
                f"command {name!r}: no transcript within {self._timeout:g} s, killed{self._tail(kept[1])}; raise ?timeout=SECONDS"
            ) from error
        finally:
            for each in kept:
                each.join()
        out, err = kept
        if out.over:
            raise VictimError(f"command {name!r}: printed more than {MOST_BYTES >> 10} KiB; is it a recogniser?")
        if code:
            ended = f"exit code {code}" if code > 0 else f"killed by signal {-code}"
            raise VictimError(f"command {name!r}: {ended}{self._tail(err)}; run it by hand on a WAV file")
        if b"\0" in out.data:
            raise VictimError(f"command {name!r}: printed binary data; it must print the transcript as text")
        return self._keys.text(out.data.decode("utf-8", "replace")).strip()

    def _tail(self, err: _Kept) -> str:
        """The end of what it wrote to standard error, on one line."""
        # The first word of a tail may be half a key.
        data = re.sub(rb"^\S*\s", b"", err.data) if len(err.data) == TAIL_BYTES else err.data
        text = " ".join(self._keys.text(data.decode("utf-8", "replace")).split())
        cut = "..." if len(text) > TAIL_SHOWN else ""
        return f" (it said: {cut}{visible(text[-TAIL_SHOWN:])})" if text else ""


class _Kept:
    """What a process writes to one pipe, read in a thread: the ``last`` bytes, or the ``first`` and then the pipe is closed."""

    def __init__(self, pipe: IO[bytes], first: int | None = None, last: int | None = None) -> None:
        self.data = b""
        self.over = False
        self._pipe, self._first, self._last = pipe, first, last
        # A descriptor of its own: the pipe is closed when the process has ended, and what it wrote may not all be read by then.
        self._end = os.dup(pipe.fileno())
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait for the end of the pipe; one that a child far away holds open is not waited for."""
        self._thread.join(FAR_AWAY_SECONDS)

    def _read(self) -> None:
        with os.fdopen(self._end, "rb", buffering=0) as end, contextlib.suppress(OSError):
            while block := end.read(1 << 16):
                self.data += block
                if self._last is not None:
                    self.data = self.data[-self._last :]
                if self._first is not None and len(self.data) > self._first:
                    self.over = True
                    self._pipe.close()  # both ends that we hold: whoever writes on gets SIGPIPE
                    return


def load(rest: str, options: dict[str, str], device: torch.device) -> CommandVictim:
    """Factory of ``command:<program with {audio}>?timeout=60&language=en``; words are split as a shell would, and no shell runs.

    Raises:
        SpecError: no program, no ``{audio}``, unbalanced quotes, or malformed options.
    """
    del device
    where, options = f"command:{rest}", dict(options)
    try:
        words = shlex.split(rest)
    except ValueError as error:
        raise SpecError(f"{where}: {error}; quote its words as for a shell") from error
    if not words or not any(AUDIO in word for word in words):
        raise SpecError(f"victim {where!r} must name {{audio}}, for example 'command:my-asr --file {{audio}}'")
    timeout = take_number(where, options, "timeout", TIMEOUT_SECONDS, 0.05, 86_400)
    return CommandVictim(words, timeout, options.get("language", "en"))
