"""What a decision-based search may ask: does this candidate fool the victim? Judged, counted and kept clip by clip."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from voiceattack.attacks.problem import Heard, OutOfQueries, Problem
from voiceattack.audio.clips import pcm_sha256
from voiceattack.objectives import interpret_of
from voiceattack.victims.base import Transcript

__all__ = ["Decisions", "Spent", "Verdict", "quietest"]


MOST_STALE = 1000
"""Calls in a row without a new candidate, which cost no query, after which a search is over."""


class Spent(Exception):
    """The clip's queries are used up, or nothing is left to ask. :func:`quietest` then takes what was found."""


@dataclass(frozen=True)
class Verdict:
    """What was decided on one candidate.

    Attributes:
        heard: its 16-bit samples, transcript and success.
        size: smaller is quieter; see :meth:`Decisions.size`.
        snr_db: of the candidate.
    """

    heard: Heard
    size: tuple[float, float]
    snr_db: float

    @property
    def fools(self) -> bool:
        return self.heard.success


class Decisions:
    """The victim as an oracle for one clip. A candidate heard once is not asked again, so queries are transcriptions.

    Candidates may be of any size: the search walks in from outside the budget. Band and window hold for all of them.

    Attributes:
        clean: float (samples,), the clip without padding.
        best: the quietest candidate so far that fooled the victim, or None.
        nearest: within the budget, the candidate so far that came nearest to fooling it, or None.
        outside: the same of those outside the budget.

    Args:
        problem: the batch under attack.
        row: which of its clips.
        limit: the most queries; the problem's own limit holds too.
    """

    def __init__(self, problem: Problem, row: int, limit: int) -> None:
        self.problem, self.row, self.limit = problem, row, limit
        self.batch = problem.clean.select([row])
        self.clean = problem.clean.waveforms[row, : int(problem.clean.lengths[row])]
        self.best: Verdict | None = None
        self.nearest: Verdict | None = None
        self.outside: Verdict | None = None
        self._support = problem.budget.support
        self._known: dict[str, Verdict] = {}
        self._first = problem.logs[row].queries
        self._stale = 0

    @property
    def asked(self) -> int:
        """Transcriptions asked for this clip in this search."""
        return self.problem.logs[self.row].queries - self._first

    def size(self, waveform: Tensor) -> tuple[float, float]:
        """How many times over the budget, at least 1, then the norm: what is to become small. ``waveform`` is (samples,)."""
        budget = self.problem.budget
        over = budget.excess(self.clean.cpu(), waveform.cpu()) if budget else 0.0
        return max(1.0, over), float((waveform - self.clean).norm())

    def judge(self, deltas: Sequence[Tensor]) -> list[Verdict]:
        """Hear perturbations of the clip, float (samples,) each, at once; one verdict each.

        Raises:
            Spent: a query was wanted and none is left. Those for which there was one were heard and count. Or nothing quieter is
                left to be found: the clean clip itself is heard as wanted, or so many calls in a row brought nothing new.
        """
        if self.best is not None and self.best.size[1] == 0:
            raise Spent
        padded = torch.zeros(len(deltas), self.batch.waveforms.shape[1], device=self.clean.device)
        for place, delta in zip(padded, deltas, strict=True):
            place[: len(delta)] = delta.to(place)
        waves = [self.problem.realize(delta[None], [self.row], self._support)[0] for delta in padded]
        names = [pcm_sha256(wave.cpu()) for wave in waves]
        new = {name: wave for name, wave in zip(names, waves, strict=True) if name not in self._known}
        self._stale = 0 if new else self._stale + 1
        if self._stale > MOST_STALE:
            raise Spent
        allowed = dict(list(new.items())[: max(0, self.limit - self.asked)])
        if allowed:
            self._hear(allowed)
        if len(allowed) < len(new):
            raise Spent
        return [self._known[name] for name in names]

    def fools(self, delta: Tensor) -> bool:
        """Whether one perturbation, float (samples,), fools the victim."""
        return self.judge([delta])[0].fools

    def _hear(self, waves: dict[str, Tensor]) -> None:
        problem, length = self.problem, len(self.clean)
        names = list(waves)
        left = problem.queries_left(self.row)
        names = names if left is None else names[:left]
        if names:
            heard = problem.hear(torch.stack([waves[name] for name in names]), [self.row] * len(names))
            for name, candidate in zip(names, heard, strict=True):
                wave = candidate.waveform[:length]
                self._known[name] = verdict = Verdict(candidate, self.size(wave), problem.snr(self.row, candidate.waveform))
                self._keep_near(verdict)
                if verdict.fools and (self.best is None or verdict.size < self.best.size):
                    self.best = verdict
                    problem.note(
                        self.row, step=self.asked, snr_db=verdict.snr_db, heard=candidate.text, success=candidate.success
                    )
        if len(names) < len(waves):
            raise Spent

    def _keep_near(self, verdict: Verdict) -> None:
        within = verdict.size[0] <= 1.0
        kept = self.nearest if within else self.outside
        if kept is None or verdict.heard.nearness > kept.heard.nearness:
            self.nearest, self.outside = (verdict, self.outside) if within else (self.nearest, verdict)

    def fallback(self) -> Tensor:
        """What to keep of a search that found nothing within budget, float (samples,) with the batch's padding.

        It is the candidate within budget that came nearest, or else the quietest that fooled (the nearest, where none did) made
        quieter until it fits; that is heard where a query is left.
        """
        problem, row, log = self.problem, self.row, self.problem.logs[self.row]
        log.over_budget = None if self.best is None else self.best.size[0]
        outside = self.best or self.outside
        if self.nearest is not None or outside is None:
            log.best = None if self.nearest is None else self.nearest.heard
            return problem.clean.waveforms[row] if log.best is None else log.best.waveform
        log.best = None if outside.fools else outside.heard  # for the record: nothing within budget was heard
        delta = outside.heard.waveform - problem.clean.waveforms[row]
        scaled = problem.realize(delta[None], [row])
        if self.asked < self.limit and problem.queries_left(row) != 0:
            (heard,) = problem.hear(scaled, [row])
            log.over_budget = None if heard.success else log.over_budget
        return scaled[0]


def quietest(problem: Problem, limit: int, search: Callable[[Decisions, int], None]) -> Tensor:
    """Run a search clip by clip and return, for each clip, the quietest candidate within budget that fooled the victim.

    Args:
        problem: the batch under attack.
        limit: the most queries a clip.
        search: given a clip's decisions and its seed; ends by returning or by :class:`Spent`.

    Returns:
        Float (batch, samples) on the 16-bit grid; where nothing within budget fooled, which a warning says, the nearest within
        budget, see :meth:`Decisions.fallback`.
    """
    found = problem.clean.waveforms.clone()
    for row, seed in enumerate(problem.seeds):
        decisions, log = Decisions(problem, row, limit), problem.logs[row]
        clean = Transcript(problem.clean_hypotheses[row])
        if problem.objective.met(clean, clean, interpret_of(problem.victim)):
            log.warnings.append("the clean clip does what is wanted already, so that nothing was searched")
            continue
        with contextlib.suppress(Spent, OutOfQueries):
            search(decisions, seed)
        log.cut_short = problem.queries_left(row) == 0 and decisions.asked < limit
        best = decisions.best
        if best is None or best.size[0] > 1.0:
            found[row] = decisions.fallback()
        if best is None:
            log.warnings.append(f"no starting point that fools the victim was found in {decisions.asked} queries")
        elif best.size[0] > 1.0:
            log.warnings.append(f"the quietest that fooled lies outside the budget ({best.snr_db:.1f} dB SNR); more queries help")
        else:
            found[row], log.best = best.heard.waveform, best.heard
        problem.tell(problem.max_steps)
    return found
