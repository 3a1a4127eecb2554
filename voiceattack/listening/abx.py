"""A blind ABX listening test of a run's artefacts: the trials, the answers on disk, and what they say.

X is A or B, which are the clean clip and the adversarial one in either order; the listener says which. Guessing is right half of
the time, so that only a share of right answers whose interval lies above one half says that listeners hear a difference (Clark
1982; interval: Wilson 1927). What is not shown to be heard is not shown to be inaudible: its interval says how far.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from voiceattack.commands import command_line
from voiceattack.errors import RunError
from voiceattack.files import append_line, one_line, whole_lines, write_whole, writing
from voiceattack.metrics.intervals import wilson
from voiceattack.runs.run import Run
from voiceattack.unicode_text import csv_cell

__all__ = ["Answer", "Session", "Trial", "detection", "read_answers", "trials_of", "write_csv"]

FOLDER = "listening"


@dataclass(frozen=True)
class Trial:
    """One comparison. ``a``, ``b`` and ``x`` are ``clean`` or ``adversarial``; they never reach the listener's page."""

    number: int
    id: str
    attack: str
    clean: str
    adversarial: str
    a: str
    x: str

    @property
    def b(self) -> str:
        """The other of ``a``."""
        return "clean" if self.a == "adversarial" else "adversarial"

    @property
    def right(self) -> str:
        """The right answer: ``a`` or ``b``."""
        return "a" if self.a == self.x else "b"


@dataclass(frozen=True)
class Answer:
    """One answer of one listener; ``seconds`` from the trial's first sound to the answer, ``plays`` as ``a:2 b:1 x:3``."""

    listener: str
    trial: int
    id: str
    attack: str
    x: str
    answer: str
    right: bool
    seconds: float
    plays: str
    time: str

    @classmethod
    def to(cls, trial: Trial, listener: str, choice: str, seconds: float, plays: Mapping[str, int], time: str) -> Answer:
        """The answer ``choice``, ``a`` or ``b``, to a trial."""
        heard = " ".join(f"{name}:{int(plays.get(name, 0))}" for name in "abx")
        right = choice == trial.right
        return cls(listener, trial.number, trial.id, trial.attack, trial.x, choice, right, round(seconds, 2), heard, time)


def trials_of(run: Run, listener: str, most: int | None = None, repeat: int = 1) -> list[Trial]:
    """The trials of one listener, in an order and with an assignment of A, B and X drawn from run and listener alone, so that a
    test resumes as it began. Noise controls take part, as an attack of their own.

    Args:
        run: with results.
        listener: a name; each gets another order.
        most: no more clips than this.
        repeat: trials a clip.

    Raises:
        RunError: not evaluated, or no artefact can be heard.
    """
    clips: dict[str, tuple[str, str, str]] = {}
    for row in run.each_result():
        if row.audio and row.clean_audio and row.outcome not in ("error", "no_effect") and not row.is_stage:
            attack = row.attack if not row.is_control else "noise, same SNR (control)"
            clips[row.id] = (attack, row.clean_audio, row.audio)
    if not clips:
        raise RunError(f"{run.path}: holds no artefact to listen to; run: {command_line('evaluate', run.path)}")

    def draw(text: str) -> str:
        return hashlib.sha256(f"{run.id}:{listener}:{text}".encode()).hexdigest()

    order = sorted(clips, key=lambda name: draw(f"choose:{name}"))[:most]
    pairs = sorted(((name, turn) for name in order for turn in range(repeat)), key=lambda pair: draw(f"order:{pair}"))
    kinds = ("clean", "adversarial")
    return [
        Trial(
            number, name, *clips[name], kinds[int(draw(f"a:{name}:{turn}"), 16) % 2], kinds[int(draw(f"x:{name}:{turn}"), 16) % 2]
        )
        for number, (name, turn) in enumerate(pairs)
    ]


class Session:
    """One listener's test: what comes next, and answers appended to ``listening/<listener>.jsonl`` in the run, each durable.

    Raises:
        RunError: the name is no name, the run is not evaluated, or earlier answers are damaged.
    """

    def __init__(self, run: Run, listener: str, most: int | None = None, repeat: int = 1) -> None:
        self.run, self.listener = run, listener
        self.file = file_of(run, listener)
        self.trials = trials_of(run, listener, most, repeat)
        self.done = {(answer.trial, answer.id) for answer in read_file(self.file)}
        self.token = secrets.token_urlsafe(24)

    def next(self) -> Trial | None:
        """The first trial without an answer."""
        return next((trial for trial in self.trials if (trial.number, trial.id) not in self.done), None)

    def answer(self, number: int, choice: str, seconds: float, plays: dict[str, int]) -> None:
        """Record one answer.

        Raises:
            RunError: no such open trial, no such choice, or the disk refuses.
        """
        trial = self.next()
        if trial is None or trial.number != number or choice not in ("a", "b"):
            raise RunError(f"trial {number} is not the one that is open; load the page again")
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        keep(self.file, Answer.to(trial, self.listener, choice, seconds, plays, now))
        self.done.add((number, trial.id))


def keep(file: Path, answer: Answer) -> None:
    """Add one answer to a listener's file; on return it is on the disk. Raises RunError when the disk refuses."""
    with writing(file, "make room"):
        # A last line without its end was torn by a kill; it is asked again.
        append_line(file, json.dumps(asdict(answer)).encode(), lambda line: False)


def file_of(run: Run, listener: str) -> Path:
    """Where a listener's answers lie; raises RunError for a name that is none."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", listener):
        raise RunError(f"listener {listener!r}: use up to 40 lower-case letters, digits, '-' and '_'")
    return run.resolve(f"{FOLDER}/{listener}.jsonl")


def read_file(file: Path) -> list[Answer]:
    """The answers of one listener, none without a file; raises RunError when it is damaged."""
    try:
        return [Answer(**json.loads(line)) for line in whole_lines(file, lambda last: False) if line]
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{file}: damaged or unreadable ({one_line(error)}); mend or remove it") from error


def read_answers(run: Run) -> list[Answer]:
    """All answers of all listeners; raises RunError when a file is damaged."""
    names = sorted(file.name for file in run.resolve(FOLDER).glob("*.jsonl"))
    return [answer for name in names for answer in read_file(run.resolve(f"{FOLDER}/{name}"))]


def write_csv(answers: Sequence[Answer], path: Path) -> Path:
    """One line an answer; raises RunError when the disk refuses."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [field.name for field in fields(Answer)])
    writer.writeheader()
    writer.writerows({name: csv_cell(value) for name, value in asdict(answer).items()} for answer in answers)
    with writing(path, "choose another place"):
        write_whole(path, text.getvalue().encode())
    return path


def detection(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """Per attack: ``attack, trials, listeners, right, rate, ci95, reading``; the interval is Wilson's at 95%."""
    groups: dict[str, list[Answer]] = {}
    for answer in answers:
        groups.setdefault(answer.attack, []).append(answer)
    rows = []
    for attack, members in sorted(groups.items()):
        right = sum(answer.right for answer in members)
        interval = wilson(right, len(members)) or (0.0, 1.0)
        if interval[0] > 0.5:
            reading = "listeners hear the difference"
        elif interval[1] < 0.5:
            reading = "worse than guessing: check the set-up"
        else:
            reading = f"not shown to be heard; at most {max(0.0, 2 * interval[1] - 1):.0%} of trials truly told apart"
        listeners = len({answer.listener for answer in members})
        rows.append(
            {
                "attack": attack,
                "trials": len(members),
                "listeners": listeners,
                "right": right,
                "rate": right / len(members),
                "ci95": interval,
                "reading": reading,
            }
        )
    return rows
