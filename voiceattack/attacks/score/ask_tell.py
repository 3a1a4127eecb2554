"""How good is this candidate? Asked of any victim, by its score or by its transcript, for many clips and candidates at once.

A search on one clip is a coroutine: it yields a population of perturbations and is sent back how good each is. The searches of a
batch run side by side, so that what they ask goes to the victim in one batch; each ends by itself, at success or out of queries.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

import torch
from rapidfuzz.distance import Levenshtein
from torch import Tensor

from voiceattack.attacks.clip_log import Heard
from voiceattack.attacks.problem import Problem
from voiceattack.metrics.text import normalize

__all__ = ["ClipSearch", "answer", "nearness"]

ClipSearch = Generator[Tensor, Tensor, None]
"""Yields perturbations float (population, samples of the clip); is sent their values float (population,), higher is better."""

FINE = 0.1  # what the share of changed characters adds to the word error rate, to tell apart what the words do not


def answer(problem: Problem, searches: Sequence[ClipSearch], queries: int, hear_every: int, cap: float | None) -> Tensor:
    """Run one search a clip until it succeeds or has spent its queries.

    A victim that scores is asked for scores; the best candidate is heard, which is a query too, when it is new and
    ``hear_every`` queries, or a tenth of those spent, have gone by since the last time. A victim that only hears is asked for
    transcripts, whose value is :func:`nearness`.

    Args:
        problem: the clips.
        searches: one a clip; candidates that it may no longer ask are sent back as -inf.
        queries: the most a clip may ask, hearing included; the problem's own limit holds too.
        hear_every: see above.
        cap: see :meth:`Problem.score`.

    Returns:
        Each clip's best candidate heard, float (batch, samples).
    """
    scores = "scores" in problem.victim.capabilities
    clips = []
    for row, search in enumerate(searches):
        left = problem.queries_left(row)
        clips.append(_Clip(row, search, queries if left is None else min(queries, left), reserve=int(scores)))
    while clips:
        populations = [clip.population() for clip in clips]
        rows = [clip.row for clip, population in zip(clips, populations, strict=True) for _ in population]
        width = problem.clean.waveforms.shape[1]
        delta = torch.cat([torch.nn.functional.pad(one, (0, width - one.shape[1])) for one in populations])
        candidates = problem.realize(delta, rows)
        for clip, some in zip(clips, torch.split(candidates, [len(one) for one in populations]), strict=True):
            clip.candidates = some
        asking = [clip for clip in clips if clip.room]
        if asking and scores:
            _score(problem, asking, cap)
        elif asking:
            _listen(problem, asking)
        for clip in clips:
            clip.advance()
        if scores:
            _hear_best(problem, [clip for clip in clips if clip.due(hear_every)])
        for clip in clips:
            problem.logs[clip.row].cut_short = clip.out_of_room and clip.spent < queries - int(scores)
        clips = [clip for clip in clips if not (clip.success or clip.finished)]
    problem.tell(problem.max_steps)
    return problem.best()


def nearness(problem: Problem, row: int, heard: Heard) -> float:
    """How near a transcript comes to success: by words, as the objective says, and a little by characters; higher is nearer."""
    language = problem.victim.language
    changed = Levenshtein.normalized_distance(normalize(heard.text, language), normalize(problem.texts[row], language))
    return heard.nearness + FINE * (changed if problem.direction == "away" else -changed)


class _Clip:
    """One clip's search: what it asks, what it may still ask, and its best candidate so far.

    Args:
        row: the clip.
        search: its search.
        left: queries that it may ask.
        reserve: of these, kept for the ear: what was only scored counts for nothing.
    """

    def __init__(self, row: int, search: ClipSearch, left: int, reserve: int) -> None:
        self.row, self.left, self.spent = row, left, 0
        self.success = False
        self._search, self._reserve = search, reserve
        self._asked: Tensor | None = next(search)
        self.candidates = torch.empty(0)
        self.best: Tensor | None = None
        self.value, self._fresh, self._heard_at = float("-inf"), False, 0
        self._values = torch.empty(0)

    @property
    def room(self) -> int:
        """Candidates that may still be asked about."""
        return max(0, self.left - self._reserve)

    @property
    def out_of_room(self) -> bool:
        """Whether its search wants to ask on and may not."""
        return self._asked is not None and not self.room and not self.success

    @property
    def finished(self) -> bool:
        return self._asked is None or not self.room

    def population(self) -> Tensor:
        """What to realise now, float (candidates, samples): at least one candidate, which is heard if it cannot be scored."""
        assert self._asked is not None
        return self._asked[: max(1, self.room)]

    def take(self, values: Tensor) -> None:
        """Keep the best candidate; of equals the later, so that a search may drift over a plateau."""
        self._values = values
        self.count(len(values))
        for candidate, value in zip(self.candidates, values.tolist(), strict=True):
            if value >= self.value:
                self._fresh |= value > self.value
                self.value, self.best = value, candidate

    def count(self, queries: int) -> None:
        self.left -= queries
        self.spent += queries

    def advance(self) -> None:
        """Tell the search, which says what to ask next or ends."""
        if self.success or self._asked is None:
            return
        if self.best is None and not len(self._values):
            self.best, self._fresh = self.candidates[0], True
            return
        unasked = self._asked.new_full((len(self._asked) - len(self._values),), float("-inf"))
        try:
            self._asked = self._search.send(torch.cat([self._values, unasked.cpu()]))
        except StopIteration:
            self._asked = None

    def due(self, hear_every: int) -> bool:
        """Whether the best candidate is to be heard now."""
        waited = self.spent - self._heard_at >= max(hear_every, self.spent // 10)
        return self._fresh and self.left > 0 and (waited or self.finished)

    def heard(self) -> None:
        self.count(1)
        self._heard_at, self._fresh = self.spent, False


def _score(problem: Problem, clips: Sequence[_Clip], cap: float | None) -> None:
    sign = -1.0 if problem.direction == "away" else 1.0
    sizes = [len(clip.candidates) for clip in clips]
    rows = [clip.row for clip in clips for _ in clip.candidates]
    values = sign * problem.score(torch.cat([clip.candidates for clip in clips]), rows, cap).float().cpu()
    for clip, some in zip(clips, torch.split(values, sizes), strict=True):
        clip.take(some)


def _listen(problem: Problem, clips: Sequence[_Clip]) -> None:
    rows = [clip.row for clip in clips for _ in clip.candidates]
    heard = iter(problem.hear(torch.cat([clip.candidates for clip in clips]), rows))
    for clip in clips:
        mine = [next(heard) for _ in clip.candidates]
        before = clip.value
        clip.take(torch.tensor([nearness(problem, clip.row, one) for one in mine]))
        clip.success = any(one.success for one in mine)
        if clip.value > before:
            problem.note(clip.row, step=clip.spent, loss=-clip.value, snr_db=problem.snr(clip.row, _best(clip)))


def _hear_best(problem: Problem, clips: Sequence[_Clip]) -> None:
    if not clips:
        return
    heard = problem.hear(torch.stack([_best(clip) for clip in clips]), [clip.row for clip in clips])
    for clip, one in zip(clips, heard, strict=True):
        clip.heard()
        clip.success = one.success
        problem.note(
            clip.row, step=clip.spent, loss=-clip.value, nearness=one.nearness, snr_db=problem.snr(clip.row, one.waveform)
        )


def _best(clip: _Clip) -> Tensor:
    assert clip.best is not None
    return clip.best
