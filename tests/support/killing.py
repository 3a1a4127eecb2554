"""Commands killed while a server counts what it is asked: what was answered must not be asked again, and the end be the same."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speech_server import Asked, State, serving
from speechlike import command, environment

HANG_SECONDS = 300


@dataclass
class Counted:
    """A server that answers until it is told to hold: the request of that number gets no answer, and its client can be killed."""

    state: State
    hold_at: int | None = None
    held: list[int] = field(default_factory=list)

    def spec(self) -> str:
        return self.state.spec("retries=0&timeout=300")

    def answered(self, since: int = 0) -> Counter[str]:
        """How often each sound was answered."""
        asked = enumerate(self.state.requests)
        return Counter(each.digest for number, each in asked if number >= since and number not in self.held)

    def kill_after(self, answers: int, *arguments: str | Path, by: int = signal.SIGKILL) -> subprocess.CompletedProcess[str]:
        """Run the tool until it has got so many more answers and asked once more; then end it."""
        self.hold_at = len(self.state.requests) + answers
        pipe = subprocess.PIPE
        with subprocess.Popen(command(*arguments), env=environment(), stdout=pipe, stderr=pipe, text=True) as process:
            end = time.monotonic() + HANG_SECONDS
            while not (self.held and self.held[-1] == self.hold_at):
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < end, "it asks nothing"
                time.sleep(0.02)
            os.kill(process.pid, by)
            out, err = process.communicate(timeout=HANG_SECONDS)
        self.hold_at = None
        return subprocess.CompletedProcess([], process.returncode, out, err)


@contextlib.contextmanager
def counting(late: bool = False) -> Iterator[Counted]:
    """A counting server over the victim ``tiny``, which may take a second for each answer."""
    counted: list[Counted] = []

    def fault(number: int, asked: Asked) -> str | None:
        if not counted or number != counted[0].hold_at:
            return "late" if late else None
        counted[0].held.append(number)
        return "hang"

    with serving("openai", fault) as state:
        counted.append(Counted(state))
        yield counted[0]


TIMES = (
    *("seconds", "seconds_total", "crafted", "reused", "heard_clean"),
    *("at", "begun", "finished", "hints", "earlier", "timing", "time"),
)
SPEAKER = """
import sys, wave, hashlib
text, out = sys.argv[1], sys.argv[2]
with wave.open(out, "wb") as file:
    file.setparams((1, 2, 16000, 0, "NONE", ""))
    for word in text.lower().split():
        period = 16 + hashlib.sha256(word.encode()).digest()[0] % 64
        samples = [6000 if i % period < period // 2 else -6000 for i in range(3200)]
        file.writeframes(b"".join(value.to_bytes(2, "little", signed=True) for value in samples))
"""


def read(path: Path) -> Any:
    """JSON, or lines of it, without times."""

    def timeless(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: timeless(item) for key, item in value.items() if key not in TIMES}
        return [timeless(item) for item in value] if isinstance(value, list) else value

    text = path.read_text(encoding="utf-8")
    return timeless([json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text))
