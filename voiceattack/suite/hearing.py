"""Clean clips, and clips without speech, heard by each victim once: ``heard/<victim>.jsonl``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from voiceattack.audio import clips as audio
from voiceattack.audio.clips import Batch
from voiceattack.errors import RunError, as_error
from voiceattack.files import append_line, inside, whole_lines, write_whole, writing
from voiceattack.metrics.text import normalize, word_errors
from voiceattack.progress import Progress
from voiceattack.runs.provenance import example_id, slug
from voiceattack.suite.fingerprint import fingerprint
from voiceattack.suite.inputs import SuiteClip
from voiceattack.suite.rounds import Earlier, Round, now
from voiceattack.suite.samples import HeardClip
from voiceattack.suite.schema import VictimEntry
from voiceattack.victims import Victim

__all__ = ["hear_clean"]

Row = dict[str, Any]
ADVICE = "make room or choose another --out; what was heard is kept: the same command resumes"


def hear_clean(
    out: Path,
    entry: VictimEntry,
    items: Sequence[SuiteClip],
    load: Callable[[str], Victim],
    during: Round,
    earlier: Earlier,
    on_progress: Progress | None = None,
) -> tuple[list[tuple[SuiteClip, HeardClip]], int]:
    """Hear the clips that this victim, as it is now, has not heard yet; errors are tried again. Each answer is kept as it comes.

    Args:
        out: the suite's run directory.
        entry: who listens.
        items: the clips.
        load: loads a victim; not called when all was heard before.
        during: the round, before which a server or a program was not heard.
        earlier: counts the answers of earlier rounds.
        on_progress: called with (clips done, clips in all, name).

    Returns:
        Each clip with what was heard, in order; and how many were heard now.
    """
    mark = fingerprint(entry.spec, entry.version)
    path = inside(out, f"heard/{slug(entry.hears_as)[:40]}-{mark}.jsonl")
    known = {row["id"]: row for row in _read(path)}
    rows, new = [], 0
    for index, item in enumerate(items):
        id = example_id(item.name, item.sha256, "clean")
        row = known.get(id)
        if row is None or row["error"] or not during.holds(entry, row.get("at")):
            if on_progress is not None:
                on_progress(index, len(items), item.name)
            row = _hear(load(entry.spec), item, id)
            with writing(path, ADVICE):
                path.parent.mkdir(parents=True, exist_ok=True)
                append_line(path, _line(row), _is_whole)
            new += 1
        earlier.add(row.get("at"), during.begun)
        rows.append((item, _scored(row, item, entry)))
        known[id] = row
    if new:  # of an error and of what was heard after it one line stays
        with writing(path, ADVICE):
            write_whole(path, b"".join(_line(row) + b"\n" for row in known.values()))
    return rows, new


def _read(path: Path) -> list[Row]:
    try:
        return [json.loads(line) for line in whole_lines(path, _is_whole) if line.strip()]
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: damaged ({error}); delete it, and its clips are heard again") from error


def _line(row: Row) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "replace")


def _is_whole(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _hear(victim: Victim, item: SuiteClip, id: str) -> Row:
    row: Row = dict.fromkeys(("id", "hypothesis", "wake_ups", "audio_seconds", "language", "error", "seconds", "at"))
    row |= {"id": id, "language": victim.language}
    began = time.perf_counter()
    try:
        wave = audio.quantize16(item.utterance.load()[0])
        row["audio_seconds"] = len(wave) / audio.SAMPLE_RATE
        victim.check_length(row["audio_seconds"], item.name)
        heard = victim.transcribe(Batch.of([wave]))[0]
        row["hypothesis"], row["wake_ups"] = heard.text, heard.details.get("wake_ups")
    except Exception as error:  # a victim may be anybody's code; whatever it raises costs its clip alone
        row["error"] = str(as_error(error))
    row["seconds"], row["at"] = round(time.perf_counter() - began, 4), now()
    return row


def _scored(row: Row, item: SuiteClip, entry: VictimEntry) -> HeardClip:
    """What was heard, with what follows from the reference as it is written now."""
    heard = None if row["hypothesis"] is None else normalize(row["hypothesis"], row["language"])
    said = normalize(item.text or "", row["language"])
    return HeardClip(
        id=row["id"],
        audio=item.shown,
        source_sha256=item.sha256,
        victim=entry.hears_as,
        language=row["language"],
        reference=item.text,
        hypothesis=row["hypothesis"],
        words=len((heard or "").split()),
        wer=word_errors(said, heard).wer if said and heard is not None else None,
        wake_ups=row["wake_ups"],
        audio_seconds=row["audio_seconds"],
        error=row["error"],
        seconds=row.get("seconds"),
    )
