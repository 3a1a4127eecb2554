"""When a run of a suite began: what a server or a program answered before that may not be what it would answer now.

A run that was killed, or stopped by a limit, goes on as the same round; one that came to its end is followed by another.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from voiceattack.files import inside, read_bytes, write_whole, writing
from voiceattack.suite.schema import VictimEntry
from voiceattack.victims.trust import outside

__all__ = ["ROUND_FILE", "Earlier", "Round", "now", "renews"]

ROUND_FILE = "round.json"
WAITS = timedelta(days=1)
"""How long a round waits for a victim that did not answer."""


def now() -> str:
    """The time in UTC, ISO 8601, which sorts as text."""
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")


def _ago(span: timedelta) -> str:
    return (datetime.now(timezone.utc) - span).isoformat(timespec="microseconds")


def renews(entry: VictimEntry) -> bool:
    """Whether a victim is heard anew in every round: without a ``version``, a server, a program, a Python function or a plug-in.

    Nobody can look into these; what is fetched by its name and then lies here is found by its files.
    """
    return not entry.version and any(part.outside.unless is None for part in outside(entry.spec))


@dataclass(frozen=True)
class Round:
    """One run of a suite, from its first command to its last gate.

    Attributes:
        out: the suite's run directory.
        begun: when, as :func:`now`; empty where what lies there is judged as it is (after a merge).
        resumed: whether it had begun before this command.
    """

    out: Path
    begun: str
    resumed: bool = False

    @classmethod
    def begin(cls, out: Path) -> Round:
        """Go on with the round that has not come to its end, or begin another."""
        state = _state(out)
        stopped = state.get("finished") is False and isinstance(state.get("begun"), str)
        if stopped and not (state.get("silent") and state["begun"] < _ago(WAITS)):
            return cls(out, state["begun"], resumed=True)
        return cls(out, now())._kept(finished=False)

    def finish(self) -> None:
        """The next command begins another."""
        if self.begun:
            self._kept(finished=True)

    def wait(self) -> None:
        """A victim was silent: the next command goes on, unless a day has passed; what the others said then is too old."""
        if self.begun:
            self._kept(finished=False, silent=True)

    def _kept(self, *, finished: bool, silent: bool = False) -> Round:
        path = inside(self.out, ROUND_FILE)
        with writing(path, "make room or choose another --out"):
            write_whole(path, (json.dumps({"begun": self.begun, "finished": finished, "silent": silent}) + "\n").encode())
        return self

    def holds(self, entry: VictimEntry, at: str | None) -> bool:
        """Whether an answer that a victim gave at that time counts; None is a time that nobody wrote down."""
        return not (self.begun and renews(entry)) or (at is not None and at >= self.begun)

    def answers(self, mark: str, *, renewed: bool) -> Path:
        """Folder of what a costly victim answered, in this round alone where it is ``renewed``; those of its others go."""
        if not renewed:
            return inside(self.out, f"answers/{mark}")
        own = f"{mark}-{hashlib.sha256(self.begun.encode()).hexdigest()[:8]}"
        folder = inside(self.out, "answers")
        for other in folder.glob(f"{mark}-*") if folder.is_dir() else ():
            if other.name != own and not other.is_symlink():
                with writing(other, "delete it by hand"):
                    shutil.rmtree(other)
        return inside(self.out, f"answers/{own}")


@dataclass
class Earlier:
    """Answers that count in a round though they were given before it.

    Attributes:
        answers, of: how many, of how many in all.
        first, last: when, as :func:`now`; empty where nobody wrote it down.
    """

    answers: int = 0
    of: int = 0
    first: str = ""
    last: str = ""

    def add(self, at: str | None, begun: str, count: int = 1) -> None:
        """Count answers given at one time."""
        self.of += count
        if count and begun and (at is None or at < begun):
            self.answers += count
            if at is not None:
                self.first, self.last = min(self.first or at, at), max(self.last, at)

    def __str__(self) -> str:
        days = list(dict.fromkeys((self.first[:10], self.last[:10]))) if self.first else []
        when = f", of {' to '.join(days)}" if days else ""
        return f"{self.answers} of {self.of} answers are from an earlier run{when}"

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        return {"answers": self.answers, "of": self.of, "first": self.first or None, "last": self.last or None}


def _state(out: Path) -> dict[str, Any]:
    try:
        state = json.loads(read_bytes(inside(out, ROUND_FILE)))
        return state if isinstance(state, dict) else {}
    except (OSError, ValueError):
        return {}  # none was kept: another begins
