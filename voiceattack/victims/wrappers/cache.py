"""Answers of black boxes kept on disk, so that what was paid for once is not asked again: after a kill, or in another run."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from voiceattack.audio.clips import Batch, pcm_sha256, quantize16
from voiceattack.errors import DiskError, RunError
from voiceattack.files import check_regular, inside
from voiceattack.victims.base import Transcript, Victim, differentiates
from voiceattack.victims.intent import Intent
from voiceattack.victims.wrappers.base import VictimWrapper
from voiceattack.victims.wrappers.kept import plain

__all__ = ["FILE", "QueryCache", "RememberingVictim", "remembering"]

FILE = "queries.sqlite"
BESIDE = ("", "-journal", "-wal", "-shm")
"""What ends the names of the files that SQLite opens."""
FORMAT = 2
WAIT_SECONDS = 30.0
"""For another process that writes to the same cache."""


class QueryCache:
    """Transcripts by the SHA-256 of the 16-bit samples and the victim's spec, in one SQLite file.

    Every answer is on the disk when :meth:`keep` returns; kill -9 loses none, and several processes may share the file. An
    answer is what the victim said then, and what it did, if it acts: after its model changes, use another file or another spec.
    Details and evidence are kept as JSON: numbers and lists of NumPy and PyTorch as Python's, what JSON lacks as its ``str``.

    Args:
        folder: made when missing; the file in it is ``queries.sqlite``.

    Raises:
        RunError: the folder or the file cannot be used.
    """

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder) / FILE
        with self._told():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            for suffix in BESIDE:
                check_regular(inside(self.path.parent, FILE + suffix))
            self._file = sqlite3.connect(self.path, timeout=WAIT_SECONDS, isolation_level=None)
            self._file.execute("PRAGMA trusted_schema = OFF")  # a view in it may call no function of ours
            self._file.execute("PRAGMA synchronous = FULL")
            if (format_ := self._format()) not in (0, 1, FORMAT):
                raise RunError(f"{self.path}: written by another version (format {format_}); choose another folder")
            if format_ != FORMAT:
                self._file.execute("BEGIN IMMEDIATE")  # one process alone makes or changes the table
                self._bring_up()
                self._file.execute("COMMIT")
            kinds = [row[0] for row in self._file.execute("SELECT type FROM sqlite_master WHERE name = 'answers'")]
            if kinds != ["table"]:
                raise ValueError(f"answers is {' and '.join(map(str, kinds)) or 'missing'}, and must be a table")

    def _format(self) -> int:
        return int(self._file.execute("PRAGMA user_version").fetchone()[0])

    def _bring_up(self) -> None:
        """Make the table, or one of the format before it to this one."""
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS answers "
            "(audio TEXT, victim TEXT, text TEXT NOT NULL, details TEXT NOT NULL, action TEXT, PRIMARY KEY (audio, victim))"
        )
        if self._format() == 1:
            # Actions were not kept; answers of those who may have acted are not whole.
            self._file.execute("ALTER TABLE answers ADD COLUMN action TEXT")
            self._file.execute("DELETE FROM answers WHERE victim LIKE 'home-assistant+%' OR victim LIKE 'python:%'")
        self._file.execute(f"PRAGMA user_version = {FORMAT}")

    def find(self, audio: str, victim: str) -> Transcript | None:
        """What ``victim`` said to the clip of this digest; None if it was not asked."""
        with self._told():
            found = self._file.execute(
                "SELECT text, details, action FROM answers WHERE audio = ? AND victim = ?", (audio, victim)
            ).fetchone()
            if found is None:
                return None
            try:
                return _transcript(*found)
            except (ValueError, TypeError, RecursionError):
                # No answer that was kept here looks so; one that cannot be read is asked for again.
                self._file.execute("DELETE FROM answers WHERE audio = ? AND victim = ?", (audio, victim))
                return None

    def keep(self, audio: str, victim: str, heard: Transcript) -> None:
        """Write one answer; the first one for a clip stays."""
        did = heard.action
        action = None if did is None else _json({"name": did.name, "slots": did.slots, "evidence": did.evidence})
        row = (audio, victim, heard.text, _json(heard.details), action)
        with self._told():
            self._file.execute("INSERT OR IGNORE INTO answers (audio, victim, text, details, action) VALUES (?, ?, ?, ?, ?)", row)

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ValueError) as error:
            raise DiskError(
                f"{self.path}: the query cache cannot be used ({error}); free some space, delete it if it is damaged, "
                "or go without it: --no-cache"
            ) from error


class _Action(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    slots: dict[str, str]
    evidence: dict[str, Any]


def _transcript(text: Any, details: Any, action: Any) -> Transcript:
    """A row as it was given to :meth:`QueryCache.keep`; raises ValueError or TypeError when it is not one."""
    kept = json.loads(details)
    if not isinstance(text, str) or not isinstance(kept, dict):
        raise TypeError("no text with a mapping of details")
    did = None if action is None else _Action.model_validate_json(action)
    return Transcript(text, kept, None if did is None else Intent(did.name, did.slots, did.evidence))


class RememberingVictim(VictimWrapper):
    """A victim that is asked only what the cache does not know.

    Clips are asked one by one and kept one by one, so that a victim that dies at the fifth has not answered four in vain.

    Attributes:
        asked, known: clips sent to the victim, and clips that the cache answered.

    Args:
        inner: the victim.
        cache: where its answers are kept.
    """

    def __init__(self, inner: Victim, cache: QueryCache) -> None:
        super().__init__(inner)
        self.cache = cache
        self.asked = self.known = 0

    def told(self) -> str:
        """One line on what was asked so far."""
        return f"{self.spec} was asked {self.asked} times, {self.known} answers came from {self.cache.path}"

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return [self._hear(clip, batch.sample_rate) for clip in batch.clips()]

    def _hear(self, clip: Tensor, sample_rate: int) -> Transcript:
        alone = clip.detach().cpu()
        # A server gets 16 bits whatever it is given; another victim may hear what lies between them.
        digest = pcm_sha256(alone) if self.inner.costly or torch.equal(quantize16(alone), alone) else None
        found = None if digest is None else self.cache.find(digest, self.spec)
        if found is not None:
            self.known += 1
            return replace(found, remembered=True)
        self.asked += 1
        (heard,) = self.inner.transcribe(Batch.of([clip], sample_rate))
        if digest is not None:
            self.cache.keep(digest, self.spec, heard)
        return heard


def _json(value: Any) -> str:
    return json.dumps(plain(value))


def remembering(victim: Victim, folder: str | Path | None) -> Victim:
    """``victim`` with its answers kept in ``folder``; itself if there is none, it remembers already, or has gradients.

    A victim with gradients is not asked for answers but for losses, so there is little to keep.

    Raises:
        RunError: the folder cannot be used.
    """
    if folder is None or isinstance(victim, RememberingVictim) or differentiates(victim):
        return victim
    return RememberingVictim(victim, QueryCache(folder))
