"""What an export holds: items one at a time, chosen and split by content alone."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voiceattack.audio import clips as audio
from voiceattack.errors import AudioError, RunError, SpecError
from voiceattack.metrics import columns
from voiceattack.progress import each
from voiceattack.runs.records import Result
from voiceattack.runs.run import Run

__all__ = ["DEFAULT_SPLITS", "RATES", "ExportedClip", "Selection", "Splits", "json_line", "parse_splits", "select", "split_of"]

Splits = Mapping[str, float]
DEFAULT_SPLITS: Splits = {"train": 0.8, "validation": 0.1, "test": 0.1}
RATES = ("wer", "wer_clean")
UNKNOWN_LICENSE = "unknown (that of the source recordings)"


@dataclass(frozen=True)
class Selection:
    """Which examples, and how.

    Attributes:
        fooled: only those that were heard to succeed on the attacked victim.
        transfers: only those that also fooled a victim they were not crafted on.
        max_masking_excess_db: none that stands further above the masking threshold, mean over bins in dB.
        license: of the source recordings, and so of these; goes into each item.
        splits: names and shares, which sum to 1.
    """

    fooled: bool = False
    transfers: bool = False
    max_masking_excess_db: float | None = None
    license: str = UNKNOWN_LICENSE
    splits: Splits = field(default_factory=lambda: dict(DEFAULT_SPLITS))


@dataclass(frozen=True)
class ExportedClip:
    """One adversarial clip: its file (16 kHz mono 16-bit FLAC), and all that is known of it.

    ``fields`` is flat and the same in every item and format: ``text`` is what was said, ``heard`` what the attacked victim
    heard instead; ``recipe`` and ``params`` are JSON texts, so that tables keep one schema.
    """

    id: str
    split: str
    path: Path
    frames: int
    fields: dict[str, Any]

    @property
    def seconds(self) -> float:
        """Length."""
        return self.frames / audio.SAMPLE_RATE


def parse_splits(text: str) -> Splits:
    """``"train=0.8,test=0.2"``.

    Raises:
        SpecError: malformed, or the shares do not sum to 1.
    """
    splits: dict[str, float] = {}
    for part in text.split(","):
        name, mark, share = part.strip().partition("=")
        try:
            splits[name] = float(share)
        except ValueError:
            mark = ""
        if not mark or not name.isidentifier() or not 0 < splits[name] <= 1:
            raise SpecError(f"--splits {text!r}: write names and shares, for example train=0.8,test=0.2")
    if not math.isclose(sum(splits.values()), 1.0, abs_tol=1e-6):
        raise SpecError(f"--splits {text!r}: the shares sum to {sum(splits.values()):g}, not 1")
    return splits


def split_of(source_digest: str, splits: Splits) -> str:
    """The split of a source recording, from its content alone: all that was made from one recording, in any run, is in one."""
    place = int(hashlib.sha256(f"split:{source_digest}".encode()).hexdigest()[:12], 16) / 16**12
    for name, share in splits.items():
        if place < share:
            return name
        place -= share
    return list(splits)[-1]


def select(run: Run, selection: Selection, skipped: Counter[str]) -> Iterator[ExportedClip]:
    """The items that pass, in the run's order; controls and stages are left out. ``skipped`` counts the others by reason.

    Raises:
        RunError: not evaluated yet, or damaged.
    """
    transfers: dict[str, list[str]] = {}
    count = 0
    for row in run.each_result():
        count += _crafted(row)
        if row.victim != row.source_victim and row.outcome == "fooled":
            transfers.setdefault(row.id, []).append(row.victim)
    for row in each(filter(_crafted, run.each_result()), "writing", lambda row: row.id, of=count):
        reason = _unfit(row, selection, transfers)
        if reason is None:
            try:
                yield _item(run, row, selection, transfers.get(row.id, []))
                continue
            except AudioError as error:
                reason = f"unreadable ({error})"
            except RunError as error:
                reason = str(error)
        skipped[reason] += 1


def _crafted(row: Result) -> bool:
    return row.victim == row.source_victim and not row.is_control and not row.is_stage


def _unfit(row: Result, selection: Selection, transfers: dict[str, list[str]]) -> str | None:
    if row.failed:
        return "failed (error)"
    if selection.fooled and row.outcome != "fooled":
        return f"no verified success ({row.outcome})"
    if selection.transfers and row.id not in transfers:
        return "fooled no other victim"
    if selection.max_masking_excess_db is not None:
        excess = row.value("masking_excess_db")
        if excess is None or excess > selection.max_masking_excess_db:
            return f"masking excess over {selection.max_masking_excess_db:g} dB"
    return None


def _item(run: Run, row: Result, selection: Selection, transfers: list[str]) -> ExportedClip:
    path = run.resolve(str(row.audio))
    run.audio_path(row.id)  # the id becomes file names
    digest = audio.file_sha256(path)
    if digest != row.sha256:
        raise RunError("the file is not the one that was crafted (other SHA-256)")
    header = audio.info(path)
    recipe = row.recipe
    first = {
        "id": row.id,
        "text": row.reference,
        "text_source": row.reference_source,
        "heard": row.hypothesis,
        "heard_clean": row.clean_hypothesis,
        "victim": row.victim,
        "attack": row.attack,
        "objective": row.objective,
        "target": row.target or "",
        "outcome": row.outcome,
        "success": bool(row.success),
        "transfers_to": json.dumps(transfers, ensure_ascii=False),
        **{name: row.value(name) for name in RATES},
    }
    sizes = {metric.name: row.value(metric.name) for metric in columns("export")}
    last = {
        "seconds": round(header.seconds, 4),
        "seed": row.seed,
        "params": json.dumps(row.params, ensure_ascii=False, sort_keys=True),
        "recipe": json.dumps(recipe, ensure_ascii=False, sort_keys=True),
        "sha256": digest,
        "source_sha256": recipe.get("source_sha256") or "",
        "source_pcm_sha256": recipe.get("pcm_sha256") or "",
        "license": selection.license,
        "adversarial": True,
        "run_id": run.id,
    }
    if taken := sorted(sizes.keys() & (first.keys() | last.keys())):
        raise SpecError(f"a metric is registered as {taken[0]!r}, which exports call something else; give it another name")
    fields = {**first, **sizes, **last}
    source = fields["source_pcm_sha256"] or fields["source_sha256"] or row.clean_audio
    return ExportedClip(row.id, split_of(str(source), selection.splits), path, header.frames, fields)


def json_line(value: Mapping[str, Any]) -> str:
    """One line of a JSON-lines file."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"
