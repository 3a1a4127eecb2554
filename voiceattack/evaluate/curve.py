"""Robustness curves: how many clips are fooled, and how badly they are heard, at each size of the perturbation.

An artefact of some SNR lies within every budget that allows more noise. So a clip counts as fooled at a level when any artefact
of its own no louder than that was heard to succeed, and its WER there is the worst heard in any of those: both can only fall
as the SNR rises. Every point is a saved file that was heard back.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from voiceattack.metrics.error_rate import ErrorRate
from voiceattack.metrics.intervals import wilson
from voiceattack.metrics.text import word_errors
from voiceattack.runs.provenance import canonical
from voiceattack.runs.records import Result

__all__ = ["KEY", "LEVEL_DB", "Curve", "Defect", "curves", "defects"]

LEVEL_DB = 2.5
SAME_DB = 0.01
KEY = ("victim", "source_victim", "attack", "objective", "target")
SIZE_PARAMS = frozenset({"severity"})
"""Parameters that say how large the perturbation is: what the curve runs over."""


@dataclass(frozen=True)
class Curve:
    """One victim under one attack.

    Attributes:
        victim, source_victim, attack, objective, target: who listened, who was attacked, how, and for what.
        params: of the attack.
        clips: for each clip scored, by example id, the highest SNR in dB at which it was fooled; None where it never was.
        points: one dict a level next to which an artefact lies, ascending: ``snr_db, n, success_rate, success_ci95, wer,
            wer_ci95, noise_success_rate, noise_wer``; the noise is of the same SNR as each artefact, None where there was none.
    """

    victim: str
    source_victim: str
    attack: str
    objective: str
    target: str | None
    params: dict[str, Any]
    clips: dict[str, float | None]
    points: list[dict[str, Any]]

    @property
    def median_snr_db(self) -> float | None:
        """Median over clips of the SNR of the quietest perturbation that fools each; None when half were never fooled."""
        values = sorted(-math.inf if snr is None else snr for snr in self.clips.values())
        middle = statistics.median(values) if values else -math.inf
        return middle if math.isfinite(middle) else None

    def covers(self, row: Result) -> bool:
        """Whether a row is of an artefact, or of a stage of one, that this curve is made of."""
        return not row.is_control and _counts(row) and _params(row) == self.params and _key(row) == _key(self)

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        names = {name: getattr(self, name) for name in KEY}
        return {**names, "params": self.params, "median_snr_db": self.median_snr_db, "clips": self.clips, "points": self.points}


@dataclass(frozen=True)
class Defect:
    """A clip on which another attack did better than ``minimum-norm``, whose curve is therefore too kind to the victim there."""

    clip: str
    victim: str
    attack: str
    snr_db: float
    minimum_snr_db: float | None

    def __str__(self) -> str:
        least = "never fooled it" if self.minimum_snr_db is None else f"needed {self.minimum_snr_db:.2f} dB"
        return f"{self.clip} on {self.victim}: {self.attack} succeeded at {self.snr_db:.2f} dB, minimum-norm {least}"


@dataclass(frozen=True)
class _Point:
    snr_db: float
    success: bool
    errors: int


@dataclass(frozen=True)
class _Clip:
    words: int
    clean_errors: int
    attacked: list[_Point]
    noise: list[_Point]


def curves(rows: Sequence[Result], *, level_db: float = LEVEL_DB) -> list[Curve]:
    """A curve for each victim and attack in ``rows`` of results.jsonl; other parameters make another attack.

    Clips that the victim mishears when clean, and rows without a transcript or an SNR, are left out; a clip that a search gave
    back unchanged counts as never fooled. An attack without any artefact has no curve.

    Args:
        rows: of one or several runs, stages and noise controls included.
        level_db: distance of the levels, dB.
    """
    groups: dict[tuple[Any, ...], list[Result]] = {}
    owners = {(row.victim, row.id): row for row in rows}
    for row in rows:
        attacked = row if not row.is_control else owners.get((row.victim, str(row.control_for)))
        if attacked is not None and _counts(row):
            groups.setdefault((*_key(attacked), canonical(_params(attacked))), []).append(row)
    return [_curve(members, level_db) for members in groups.values() if any(_is_point(row) for row in members)]


def defects(rows: Sequence[Result]) -> list[Defect]:
    """Clips on which an attack succeeded at a higher SNR than ``minimum-norm`` did, with the same victim and objective.

    Args:
        rows: of results.jsonl of runs of ``minimum-norm`` and of other attacks.
    """
    least: dict[tuple[Any, ...], float | None] = {}
    for row in rows:
        if row.attack == "minimum-norm" and not row.is_control and _counts(row):
            key = _same_task(row)
            known = least.get(key)
            reached = row.snr_db if row.success else None
            least[key] = reached if known is None else known if reached is None else max(known, reached)
    found = []
    for row in rows:
        key = _same_task(row)
        if row.attack == "minimum-norm" or row.is_control or key not in least or not _counts(row):
            continue
        best = least[key]
        snr_db = row.snr_db
        if row.success and snr_db is not None and (best is None or snr_db > best + SAME_DB):
            found.append(Defect(row.id, row.victim, row.attack, snr_db, best))
    return found


def _key(of: Result | Curve) -> tuple[str, str, str, str, str | None]:
    return of.victim, of.source_victim, of.attack, of.objective, of.target


def _same_task(row: Result) -> tuple[Any, ...]:
    task = (row.victim, row.source_victim, row.objective, row.target)
    return (*task, row.recipe.get("pcm_sha256"), row.recipe.get("wer_threshold"))


def _counts(row: Result) -> bool:
    if not row.scored or row.wer is None:
        return False
    # A search that found nothing gives the clean clip back: its clip was never fooled, and counts.
    return row.snr_db is not None or row.outcome == "no_effect"


def _owner(row: Result) -> str:
    """The clip that a row is of: its samples; several artefacts of it may be in one run, as severities and draws are."""
    return str(row.recipe.get("pcm_sha256") or _example(row))


def _example(row: Result) -> str:
    """The example that a row belongs to: itself, or the one whose stage or noise it is."""
    return str(row.stage_of if row.is_stage else row.control_for or row.id)


def _is_point(row: Result) -> bool:
    return not row.is_control and row.snr_db is not None


def _params(row: Result) -> dict[str, Any]:
    return {name: value for name, value in row.params.items() if name not in SIZE_PARAMS}


def _curve(rows: list[Result], level_db: float) -> Curve:
    # A clip whose artefact could not be heard has no place here, though its noise was heard.
    members: dict[str, list[Result]] = {_owner(row): [] for row in rows if not row.is_control}
    for row in rows:
        if _owner(row) in members:
            members[_owner(row)].append(row)
    clips = {_example(next(row for row in mine if not row.is_control)): _clip(mine) for mine in members.values()}
    snrs = [point.snr_db for clip in clips.values() for point in clip.attacked]
    low, high = math.floor(min(snrs) / level_db), math.ceil(max(snrs) / level_db)
    # Where no artefact of any clip lies, nothing was measured, though louder and quieter ones bound what is there.
    tried = {math.floor((snr + SAME_DB) / level_db) for snr in snrs} | {math.ceil((snr - SAME_DB) / level_db) for snr in snrs}
    points = [_level(list(clips.values()), index * level_db) for index in range(low, high + 1) if index in tried]
    best = {name: max((p.snr_db for p in clip.attacked if p.success), default=None) for name, clip in clips.items()}
    attacked = next(row for row in rows if not row.is_control)
    return Curve(*_key(attacked), params=_params(attacked), clips=best, points=points)


def _clip(rows: list[Result]) -> _Clip:
    words = rows[0].normalized_reference

    def points(control: bool) -> list[_Point]:
        return [
            _Point(snr_db, bool(row.success), word_errors(words, row.normalized_hypothesis).errors)
            for row in rows
            if row.is_control == control and (snr_db := row.snr_db) is not None
        ]

    clean = word_errors(words, rows[0].normalized_clean_hypothesis)
    return _Clip(clean.reference_words, clean.errors, points(False), points(True))


def _level(clips: Sequence[_Clip], snr_db: float) -> dict[str, Any]:
    fooled, errors = _at(clips, snr_db, [clip.attacked for clip in clips])
    noisy = all(clip.noise for clip in clips if clip.attacked)
    noise_fooled, noise_errors = _at(clips, snr_db, [clip.noise for clip in clips])
    return {
        "snr_db": snr_db,
        "n": len(clips),
        "success_rate": fooled / len(clips),
        "success_ci95": wilson(fooled, len(clips)),
        "wer": errors.compute(),
        "wer_ci95": errors.interval(),
        "noise_success_rate": noise_fooled / len(clips) if noisy else None,
        "noise_wer": noise_errors.compute() if noisy else None,
    }


def _at(clips: Sequence[_Clip], snr_db: float, points: Iterable[list[_Point]]) -> tuple[int, ErrorRate]:
    """How many clips are fooled by what is no louder than ``snr_db`` allows, and the most errors heard in each."""
    fooled = 0
    errors = ErrorRate()
    for clip, heard in zip(clips, points, strict=True):
        within = [point for point in heard if point.snr_db >= snr_db - SAME_DB]
        fooled += any(point.success for point in within)
        errors.add(max((point.errors for point in within), default=clip.clean_errors), clip.words)
    return fooled, errors
