"""The corruption table: each victim's WER at each severity of each corruption, and what Speech Robust Bench makes of it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from voiceattack.attacks.corruptions.severities import Severities, severities, table
from voiceattack.metrics.degradation import nwerd, quality_loss, snr_at_wer, werd, werv
from voiceattack.metrics.error_rate import ErrorRate
from voiceattack.runs.records import Result, corpus_cer

__all__ = ["LEVEL", "Line", "TableCell", "corruption_table", "is_corruption"]

LEVEL = 0.5
"""WER whose SNR is looked for."""


@dataclass(frozen=True)
class TableCell:
    """One severity.

    Attributes:
        severity, value: 1 to 4, and what that is in the line's unit.
        n, n_error: clips heard, and clips that could not be crafted or heard.
        wer, wer_ci95: against the reference, over the corpus, with a bootstrap interval over clips; None without a clip.
        wer_capped: at most one error a reference word, so that one repetition loop cannot carry it.
        wer_from_clean: against what the victim heard in the clean clip.
        cer: against the reference.
        werd: WER less the same clips' clean WER.
        pesq: mean over clips; None where it is undefined or its package is missing.
    """

    severity: int
    value: float
    n: int
    n_error: int
    wer: float | None
    wer_ci95: tuple[float, float] | None
    wer_capped: float | None
    wer_from_clean: float | None
    cer: float | None
    werd: float | None
    pesq: float | None


@dataclass(frozen=True)
class Line:
    """One victim under one corruption.

    Attributes:
        victim, name, unit: who listened, the corruption, its unit.
        wer_clean: of the clips when clean.
        cells: ascending.
        werd: mean over severities.
        nwerd, werv, snr_db_at_wer_half: see :mod:`voiceattack.metrics.degradation`; None with the reason in ``nulls``.
        werv_severity, draws: at which severity, and over how many draws.
        nulls: reasons for None, by field.
    """

    victim: str
    name: str
    unit: str
    wer_clean: float | None
    cells: list[TableCell]
    werd: float | None
    nwerd: float | None
    werv: float | None
    werv_severity: int | None
    draws: int
    snr_db_at_wer_half: float | None
    nulls: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        return asdict(self)

    def at(self, severity: int) -> TableCell | None:
        """The cell of a severity; None when it was not run."""
        return next((cell for cell in self.cells if cell.severity == severity), None)


def is_corruption(row: Result) -> bool:
    """Whether a row of results.jsonl is of a corruption's own artefact."""
    return row.is_corruption and not row.is_stage


def corruption_table(rows: Sequence[Result]) -> list[Line]:
    """A line for each victim and corruption in rows of results.jsonl, in the order of the table of severities."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for row in rows:
        if is_corruption(row):
            groups.setdefault((row.victim, row.attack.partition(":")[2]), []).append(row)
    order = {name: index for index, name in enumerate(table())}
    victims = list(dict.fromkeys(victim for victim, _ in groups))
    found = [_line(victim, name, members) for (victim, name), members in groups.items()]
    return sorted(found, key=lambda line: (victims.index(line.victim), order.get(line.name, len(order)), line.name))


def _line(victim: str, name: str, rows: list[Result]) -> Line:
    row_of = severities(name)
    nulls: dict[str, str] = {}
    first = [row for row in rows if not row.recipe.get("repeat")]
    cells = [
        _cell(severity, row_of, [row for row in first if row.severity == severity])
        for severity in sorted({row.severity or 0 for row in first})
    ]
    known = [cell.werd for cell in cells if cell.werd is not None]
    heard = _heard(first)
    told = [row for row in heard if row.has_reference]  # against itself a transcript has no errors
    clean = ErrorRate.of(row.clean_word_errors() for row in told).compute()
    variance, at, draws = _variance(rows, nulls)
    return Line(
        victim,
        name,
        row_of.unit,
        clean,
        cells,
        statistics.fmean(known) if known else None,
        _normalised(cells, first, nulls),
        variance,
        at,
        draws,
        _crossing(row_of, cells, nulls),
        nulls,
    )


def _heard(rows: Sequence[Result]) -> list[Result]:
    return [row for row in rows if row.transcribed]


def _cell(severity: int, row_of: Severities, rows: list[Result]) -> TableCell:
    heard = _heard(rows)
    errors = ErrorRate.of(row.word_errors() for row in heard)
    wer = errors.compute()
    clean = ErrorRate.of(row.clean_word_errors() for row in heard).compute()
    from_clean = ErrorRate()
    for row in heard:
        if row.normalized_clean_hypothesis:
            from_clean.update(row.normalized_clean_hypothesis, row.normalized_hypothesis)
    pesq = [value for row in rows if (value := row.value("pesq")) is not None]
    return TableCell(
        severity,
        row_of.at(severity),
        len(heard),
        sum(row.failed for row in rows),
        wer,
        errors.interval(),
        errors.capped().compute(),
        from_clean.compute(),
        corpus_cer(heard),
        None if wer is None or clean is None else werd(wer, clean),
        statistics.fmean(pesq) if pesq else None,
    )


def _normalised(cells: Sequence[TableCell], rows: Sequence[Result], nulls: dict[str, str]) -> float | None:
    if any(cell.werd is None for cell in cells):
        nulls["nwerd"] = "not every severity was heard"
        return None
    missing = [cell for cell in cells if cell.pesq is None]
    if missing:
        reasons = [row.nulls["pesq"] for row in rows if row.nulls.get("pesq")]
        nulls["nwerd"] = f"PESQ is undefined: {reasons[0].partition(' (')[0]}" if reasons else "PESQ is undefined"
        return None
    try:
        return nwerd([cell.werd or 0.0 for cell in cells], [quality_loss(cell.pesq or 0.0) for cell in cells])
    except ValueError as error:
        nulls["nwerd"] = str(error)
        return None


def _variance(rows: Sequence[Result], nulls: dict[str, str]) -> tuple[float | None, int | None, int]:
    """WERV at the severity of most draws."""
    draws: dict[int, dict[int, list[Result]]] = {}
    for row in _heard(rows):
        draws.setdefault(row.severity or 0, {}).setdefault(row.recipe.get("repeat") or 0, []).append(row)
    if not any(row.recipe.get("draws", {}).get("random") for row in rows):
        nulls["werv"] = "nothing is drawn at random: another seed gives the same bytes"
        return None, None, 0
    severity, found = max(draws.items(), key=lambda item: (len(item[1]), -item[0]), default=(1, {}))
    # Of each draw the same clips, or the variance would be that of the choice.
    shared = set.intersection(*({_clip(row) for row in members} for members in found.values())) if found else set()
    kept = [[row for row in members if _clip(row) in shared] for members in found.values()]
    wers = [ErrorRate.of(row.word_errors() for row in part).compute() for part in kept]
    known = [wer for wer in wers if wer is not None]
    if len(known) < 2:
        nulls["werv"] = "one draw only: ask for --repeats"
        return None, None, len(known)
    return werv(known), severity, len(known)


def _clip(row: Result) -> str:
    return str(row.recipe.get("pcm_sha256"))


def _crossing(row_of: Severities, cells: Sequence[TableCell], nulls: dict[str, str]) -> float | None:
    if not row_of.snr:
        nulls["snr_db_at_wer_half"] = "its severities are no SNR"
        return None
    known = [(cell.value, cell.wer) for cell in cells if cell.wer is not None]
    if not known:
        nulls["snr_db_at_wer_half"] = "nothing was heard"
        return None
    found = snr_at_wer([snr for snr, _ in known], [wer for _, wer in known], LEVEL)
    if found is None:
        below = all(wer < LEVEL for _, wer in known)
        nulls["snr_db_at_wer_half"] = (
            f"WER stays below {LEVEL:g}" if below else f"WER is {LEVEL:g} or more at the highest SNR already"
        )
    return found
