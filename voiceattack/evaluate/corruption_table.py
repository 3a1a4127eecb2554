"""The corruption table: each victim's WER at each severity of each corruption, and what Speech Robust Bench makes of it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from voiceattack.attacks.corruptions import SCHEME
from voiceattack.attacks.corruptions.severities import Severities, severities, table
from voiceattack.metrics.degradation import nwerd, quality_loss, snr_at_wer, werd, werv
from voiceattack.metrics.intervals import bootstrap_ratio
from voiceattack.metrics.said import heard as heard_words
from voiceattack.metrics.said import letters_said, said
from voiceattack.metrics.text import word_errors

__all__ = ["LEVEL", "Cell", "Line", "corruption_table", "is_corruption"]

Row = dict[str, Any]
LEVEL = 0.5
"""WER whose SNR is looked for."""


@dataclass(frozen=True)
class Cell:
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
    cells: list[Cell]
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

    def at(self, severity: int) -> Cell | None:
        """The cell of a severity; None when it was not run."""
        return next((cell for cell in self.cells if cell.severity == severity), None)


def is_corruption(row: Row) -> bool:
    """Whether a row of results.jsonl is of a corruption's own artefact."""
    return row["attack"].startswith(f"{SCHEME}:") and row["control_for"] is None and row.get("stage_of") is None


def corruption_table(rows: Sequence[Row]) -> list[Line]:
    """A line for each victim and corruption in rows of results.jsonl, in the order of the table of severities."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if is_corruption(row):
            groups.setdefault((row["victim"], row["attack"].partition(":")[2]), []).append(row)
    order = {name: place for place, name in enumerate(table())}
    victims = list(dict.fromkeys(victim for victim, _ in groups))
    found = [_line(victim, name, members) for (victim, name), members in groups.items()]
    return sorted(found, key=lambda line: (victims.index(line.victim), order.get(line.name, len(order)), line.name))


def _line(victim: str, name: str, rows: list[Row]) -> Line:
    row_of = severities(name)
    nulls: dict[str, str] = {}
    first = [row for row in rows if not row["recipe"].get("repeat")]
    cells = [
        _cell(severity, row_of, [row for row in first if row["params"]["severity"] == severity])
        for severity in sorted({row["params"]["severity"] for row in first})
    ]
    known = [cell.werd for cell in cells if cell.werd is not None]
    heard = _heard(first)
    told = [
        row for row in heard if row.get("reference_source") != "clean transcript"
    ]  # against itself a transcript has no errors
    clean = _ratio([_errors(row, "clean_hypothesis") for row in told], [_words(row) for row in told])
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


def _heard(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["outcome"] != "error" and row["wer"] is not None]


def _words(row: Row) -> int:
    return len(said(row).split())


def _errors(row: Row, key: str) -> int:
    return word_errors(said(row), heard_words(row, key)).errors


def _ratio(above: Sequence[float], below: Sequence[float]) -> float | None:
    return sum(above) / sum(below) if sum(below) else None


def _cell(severity: int, row_of: Severities, rows: list[Row]) -> Cell:
    heard = _heard(rows)
    words = [_words(row) for row in heard]
    errors = [_errors(row, "hypothesis") for row in heard]
    wer = _ratio(errors, words)
    clean = _ratio([_errors(row, "clean_hypothesis") for row in heard], words)
    from_clean = [
        word_errors(heard_words(row, "clean_hypothesis"), heard_words(row))
        for row in heard
        if heard_words(row, "clean_hypothesis")
    ]
    letters = [letters_said(row) for row in heard]
    pesq = [row["pesq"] for row in rows if row.get("pesq") is not None]
    return Cell(
        severity,
        row_of.at(severity),
        len(heard),
        sum(row["outcome"] == "error" for row in rows),
        wer,
        bootstrap_ratio(errors, words),
        _ratio([min(count, length) for count, length in zip(errors, words, strict=True)], words),
        _ratio([count.errors for count in from_clean], [count.reference_words for count in from_clean]),
        _ratio([row["cer"] * length for row, length in zip(heard, letters, strict=True)], letters),
        None if wer is None or clean is None else werd(wer, clean),
        statistics.fmean(pesq) if pesq else None,
    )


def _normalised(cells: Sequence[Cell], rows: Sequence[Row], nulls: dict[str, str]) -> float | None:
    if any(cell.werd is None for cell in cells):
        nulls["nwerd"] = "not every severity was heard"
        return None
    missing = [cell for cell in cells if cell.pesq is None]
    if missing:
        reasons = [row["nulls"]["pesq"] for row in rows if row.get("nulls", {}).get("pesq")]
        nulls["nwerd"] = f"PESQ is undefined: {reasons[0].partition(' (')[0]}" if reasons else "PESQ is undefined"
        return None
    try:
        return nwerd([cell.werd or 0.0 for cell in cells], [quality_loss(cell.pesq or 0.0) for cell in cells])
    except ValueError as error:
        nulls["nwerd"] = str(error)
        return None


def _variance(rows: Sequence[Row], nulls: dict[str, str]) -> tuple[float | None, int | None, int]:
    """WERV at the severity of most draws."""
    draws: dict[int, dict[int, list[Row]]] = {}
    for row in _heard(rows):
        draws.setdefault(row["params"]["severity"], {}).setdefault(row["recipe"].get("repeat") or 0, []).append(row)
    if not any(row["recipe"].get("draws", {}).get("random") for row in rows):
        nulls["werv"] = "nothing is drawn at random: another seed gives the same bytes"
        return None, None, 0
    severity, found = max(draws.items(), key=lambda item: (len(item[1]), -item[0]), default=(1, {}))
    # Of each draw the same clips, or the variance would be that of the choice.
    shared = set.intersection(*({_clip(row) for row in members} for members in found.values())) if found else set()
    kept = [[row for row in members if _clip(row) in shared] for members in found.values()]
    wers = [_ratio([_errors(row, "hypothesis") for row in part], [_words(row) for row in part]) for part in kept]
    known = [wer for wer in wers if wer is not None]
    if len(known) < 2:
        nulls["werv"] = "one draw only: ask for --repeats"
        return None, None, len(known)
    return werv(known), severity, len(known)


def _clip(row: Row) -> str:
    return str(row["recipe"].get("pcm_sha256"))


def _crossing(row_of: Severities, cells: Sequence[Cell], nulls: dict[str, str]) -> float | None:
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
