"""How near a search that failed came: one typed figure for the record, whatever the attack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from voiceattack.attacks.problem import Problem
from voiceattack.objectives import Measure

__all__ = ["Shortfall", "shortfall"]


@dataclass(frozen=True)
class Shortfall:
    """How near a clip's search came that ended without a success within budget.

    Attributes:
        nearest: what ``reached`` and ``wanted`` count: see :data:`~voiceattack.objectives.Measure`; or ``times_over_budget``, the
            size of the quietest candidate that fooled, where searches walk in from outside the budget.
        reached: by the nearest candidate heard, >= 0; None where none was heard. Searches that walk in from outside the budget
            may have heard none within it.
        wanted: the value that is a success; None where the victim's action decides, not the words.
        heard: transcript of that candidate, raw.
        tokens_wrong: share of tokens in [0, 1] in which the victim's own check differed from the text at best: from the text
            aimed at when it was fewest, from the clean text when it was most. None without such a check.
        score: the best log-likelihood of the text in nats that was asked for, None where none was.
        snr_db: of the artefact that is kept; None where it is the clean clip.
    """

    nearest: Measure | Literal["times_over_budget"]
    reached: float | None
    wanted: float | None
    heard: str | None
    tokens_wrong: float | None
    score: float | None
    snr_db: float | None

    def note(self) -> dict[str, Any]:
        """The line of the trace, JSON-safe; what is not known is left out, but for ``reached``."""
        facts = {name: value for name, value in vars(self).items() if value is not None or name == "reached"}
        return {**facts, "success": False}


def shortfall(problem: Problem, row: int, waveform: Tensor) -> Shortfall | None:
    """How near the search of a clip came; None when it succeeded, or asked the victim nothing.

    Args:
        problem: after the search.
        row: which clip.
        waveform: the artefact that is kept, float (samples,).
    """
    log = problem.logs[row]
    best = log.best
    if best is not None and best.success and log.over_budget is None:
        return None
    if best is None and log.tokens_wrong is None and log.score is None and log.over_budget is None:
        return None
    same_length = len(waveform) >= int(problem.clean.lengths[row])
    snr = problem.snr(row, waveform.to(problem.clean.waveforms)) if same_length else None
    kind, wanted = problem.objective.measure
    return Shortfall(
        nearest=kind if log.over_budget is None else "times_over_budget",
        reached=log.over_budget if log.over_budget is not None else None if best is None else abs(best.nearness),
        wanted=wanted if log.over_budget is None else 1.0,
        heard=None if best is None else best.text,
        tokens_wrong=log.tokens_wrong,
        score=log.score,
        snr_db=None if snr is None or snr == float("inf") else snr,
    )
