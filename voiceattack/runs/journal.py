"""What an evaluation under way has found, ``evaluating.jsonl`` in the run: a durable line each, so that no kill loses one."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from voiceattack.files import append_line, whole_lines, write_whole, writing
from voiceattack.runs.provenance import environment
from voiceattack.victims.wrappers.kept import plain

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from voiceattack.victims.base import Victim

__all__ = ["FILE", "Journal", "mark_of", "sound_digest"]

FILE = "evaluating.jsonl"
T = TypeVar("T", bound="DataclassInstance")


class Journal:
    """Findings by key. The file exists while an evaluation is not finished; the next one of the same victim goes on from it.

    Keys begin with their owner, the mark of a victim (:func:`mark_of`), or ``""`` for what no victim was asked. A line that does
    not read as what is looked for counts as not there: it is found out anew.

    Args:
        folder: of the run.

    Raises:
        RunError: the file is there and cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / FILE
        self._known: dict[tuple[str, ...], str] = {}
        with writing(self.file):
            lines = whole_lines(self.file, _is_whole)
        for line in lines:
            if (read := _read(line)) is not None:
                self._known[read[0]] = read[1]

    def recall(self, kind: TypeAdapter[T], *key: str) -> T | None:
        """What was kept under ``key``, None when that is nothing or no ``kind``."""
        known = self._known.get(key)
        try:
            return None if known is None else kind.validate_json(known)
        except (ValidationError, RecursionError):
            return None

    def keep(self, kind: TypeAdapter[T], value: T, *key: str) -> T:
        """Keep ``value``; on return it is on the disk. What is returned is what :meth:`recall` gives from now on.

        What JSON cannot give back (a victim may be anybody's code) is returned as it is, and not kept.

        Raises:
            DiskError: the disk refuses.
        """
        told = json.dumps(plain(value))
        try:
            back = kind.validate_json(told)
        except (ValidationError, RecursionError):
            return value
        with writing(self.file, "free some space; what was heard is kept: the same command resumes"):
            append_line(self.file, _line(key, told), _is_whole)
        self._known[key] = told
        return back

    def finish(self, *owners: str) -> None:
        """Forget what belongs to ``owners`` and to nobody, for the results hold it now; the file goes with its last line.

        Raises:
            DiskError: the disk refuses.
        """
        self._known = {key: told for key, told in self._known.items() if key[0] not in ("", *owners)}
        lines = [_line(key, told) + b"\n" for key, told in self._known.items()]
        with writing(self.file):
            if lines:
                write_whole(self.file, b"".join(lines))
            else:
                self.file.unlink(missing_ok=True)


def mark_of(*victims: Victim) -> str:
    """Tells victims apart, as they are now: spec, what they say of themselves, versions. 16 hexadecimal digits."""
    facts = [(victim.spec, victim.describe()) for victim in victims]
    return hashlib.sha256(json.dumps([facts, _versions()], sort_keys=True, default=str).encode()).hexdigest()[:16]


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    return dict(environment()["versions"])


def sound_digest(waveform: Tensor) -> str:
    """SHA-256 of the samples, float32 (samples,)."""
    return hashlib.sha256(waveform.detach().cpu().float().contiguous().numpy().tobytes()).hexdigest()


def _line(key: tuple[str, ...], told: str) -> bytes:
    return f'{{"key": {json.dumps(key)}, "value": {told}}}'.encode()


def _read(line: bytes) -> tuple[tuple[str, ...], str] | None:
    try:
        told = json.loads(line)
        key, value = told["key"], told["value"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(key, list) or not key or not all(isinstance(part, str) for part in key):
        return None
    return tuple(key), json.dumps(value)


def _is_whole(line: bytes) -> bool:
    return _read(line) is not None
