"""One batch under attack: realise perturbations as 16-bit audio, hear them, keep each clip's best."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from voiceattack.attacks.aim_texts import likeliest_spellings, places_to_go
from voiceattack.attacks.clip_log import ClipLog, Heard, OutOfQueries
from voiceattack.attacks.options import DEFAULTS, SearchOptions
from voiceattack.attacks.rounding import rounded_within
from voiceattack.attacks.token_scores import TokenScores
from voiceattack.audio.clips import Batch
from voiceattack.constraints import Budget
from voiceattack.errors import VictimError
from voiceattack.metrics.signal import snr_db
from voiceattack.objectives import Objective, interpret_of
from voiceattack.victims.base import AttackLoss, LossConfig, LossSession, Transcript, Victim, differentiates

__all__ = ["Problem"]


class Problem:
    """What a search works on; everything it may ask.

    Attributes:
        victim, clean, clean_hypotheses, objective, budget, seeds: as given to ``Attack.craft``.
        direction: whether the search moves ``"away"`` from ``texts`` or ``"toward"`` them.
        texts: the text a clip to move away from or toward.
        logs: one :class:`ClipLog` a clip.
        options: what the search may do; ``max_queries`` and ``stages_db`` are seen to here, for every attack.
    """

    def __init__(
        self,
        victim: Victim,
        clean: Batch,
        clean_hypotheses: Sequence[str],
        objective: Objective,
        budget: Budget,
        seeds: Sequence[int],
        max_steps: int,
        on_step: Callable[[int, int], None] | None = None,
        options: SearchOptions = DEFAULTS,
    ) -> None:
        self.victim = victim
        self.options = options
        self.clean = clean
        self.clean_hypotheses = list(clean_hypotheses)
        self.objective = objective = objective.of(victim)
        self.budget = budget
        self.seeds = list(seeds)
        self.max_steps = max_steps
        self.logs = [ClipLog() for _ in range(len(clean))]
        self._on_step = on_step
        self.clean_heard = [Transcript(text) for text in clean_hypotheses]
        if objective.writes:  # texts do not tell how many tokens they took
            self.clean_heard = [victim.transcribe(clean.select([row]))[0] for row in range(len(clean))]
        self._search: LossSession | None = None
        self._token_scores: TokenScores | None = None
        self.direction = objective.direction
        self.texts = objective.texts(victim, clean, clean_hypotheses)
        if objective.targeted and differentiates(victim):
            self.texts = likeliest_spellings(victim, clean, str(objective.target))

    def subset(self, rows: Sequence[int], *, max_steps: int, draw: int = 0, offset: int = 0) -> Problem:
        """The clips at ``rows`` as a problem of their own, on which another search can run; it writes to the same logs.

        Args:
            rows: places in this problem; padding is kept, so that waveforms fit both.
            max_steps: of the search to come.
            draw: 0 keeps the clips' seeds, other numbers derive others from them.
            offset: steps that the progress display counts as done before.
        """
        part = copy.copy(self)
        part.clean = self.clean.select(rows)
        part.clean_hypotheses = [self.clean_hypotheses[row] for row in rows]
        part.clean_heard = [self.clean_heard[row] for row in rows]
        part.texts = [self.texts[row] for row in rows]
        part.seeds = [_derived(self.seeds[row], draw) for row in rows]
        part.logs = [self.logs[row] for row in rows]
        part.max_steps = max_steps
        part._search, part._token_scores = None, None
        part._on_step = lambda done, most: self.tell(offset + min(done, most))
        return part

    def retargeted(self, hallucinate: bool = True) -> Problem:
        """This problem, or where it only says "away" and ``hallucinate`` is true, the same with a place to go.

        A recogniser that has learned to write certain texts over silence (Whisper: "Thank you.") is more easily led to one of
        these than merely away from what was said: away, most steps buy other spellings of the same words. Each clip aims at the
        first of ``victim.hallucinations`` that has no word of it, or of those with most harm. An assistant that is to do
        something else is led to the likeliest of those of its ``commands`` that read most like what was said and mean another
        action. Success is judged as before. Where a clip has no such place, all keep to "away".
        """
        victim = self.victim
        if not hallucinate or self.objective.writes or self.direction == "toward" or not differentiates(victim):
            return self
        texts = places_to_go(victim, self.objective, self.clean, self.clean_hypotheses)
        if texts is None:
            return self
        part = copy.copy(self)
        part.direction = "toward"
        part.texts = texts
        part._search, part._token_scores = None, None
        return part

    def unsolved(self) -> list[int]:
        """Rows of the clips without a success so far."""
        return [row for row, log in enumerate(self.logs) if not log.solved]

    def best(self) -> Tensor:
        """Each clip's best candidate heard, float (batch, samples); the clean clip where none was."""
        return torch.stack(
            [self.clean.waveforms[row] if log.best is None else log.best.waveform for row, log in enumerate(self.logs)]
        )

    def attack_loss(self, waveforms: Tensor, rows: Sequence[int], config: LossConfig) -> AttackLoss:
        """The victim's attack loss on the clips at ``rows``; ``waveforms`` is float (len(rows), samples).

        For objectives that want it to write on it is that of writing on, whatever ``config`` asks.
        """
        if self._search is None:
            assert differentiates(self.victim)
            self._search = self.victim.search(self.clean)
        if self.objective.writes:
            return self._search.writing_loss(waveforms, rows)
        result = self._search.attack_loss(waveforms, rows, [self.texts[row] for row in rows], config)
        if result.distance is not None and self.direction == self.objective.direction:
            for row, share in zip(rows, result.distance.tolist(), strict=True):
                self.logs[row].nearer("tokens_wrong", share, self.direction)
        return result

    def realize(self, delta: Tensor, rows: Sequence[int] | None = None, budget: Budget | None = None) -> Tensor:
        """Perturbed waveforms float (rows, samples) on the 16-bit grid and within budget; see :func:`rounded_within`."""
        clean = self.clean if rows is None else self.clean.select(rows)
        return rounded_within(self.budget if budget is None else budget, delta, clean)

    def hear(self, waveforms: Tensor | Sequence[Tensor], rows: Sequence[int], *, checked: bool = False) -> list[Heard]:
        """Transcribe candidates (already realised) through the victim's ordinary path; counts one query a clip.

        Args:
            waveforms: float (len(rows), samples), or float (samples,) each when they differ from their clips in length.
            rows: whose candidates they are.
            checked: whether the victim's cheap check has passed for all of them: it claims that the target is said, or that the
                clean text is not. What the ear denies is counted.

        Raises:
            OutOfQueries: a clip may ask no more. Candidates for which there was a query left were heard and count.
        """
        if not all(allowed := self.spend_query(rows)):
            if any(allowed):
                kept = [place for place, may in enumerate(allowed) if may]
                part = waveforms[kept] if isinstance(waveforms, Tensor) else [waveforms[place] for place in kept]
                self._hear(part, [rows[place] for place in kept], checked)
            raise OutOfQueries
        return self._hear(waveforms, rows, checked)

    def score(self, waveforms: Tensor, rows: Sequence[int], cap: float | None = None) -> Tensor:
        """The victim's log-likelihood of each clip's text in candidates already realised; counts one query a candidate.

        Args:
            waveforms: float (len(rows), samples).
            rows: whose candidates they are; a row may come several times.
            cap: where the victim gives a score a token, nats below which no token's log-probability counts while moving away
                from the text, so that one lost token does not hide what becomes of the others; the mean over tokens is given.
                None, and for other victims, is the log-likelihood of the whole text.

        Returns:
            float (len(rows),), higher is more likely.

        Raises:
            OutOfQueries: a clip may ask no more.
            VictimError: a score is not a number.
        """
        if not all(self.spend_query(rows)):
            raise OutOfQueries
        if cap is not None and differentiates(self.victim):
            if self._token_scores is None:
                self._token_scores = TokenScores(self.victim, self.clean)
            texts = [self.texts[row] for row in rows]
            scores = self._token_scores.scores(waveforms, list(rows), texts, self.direction, cap)
        else:
            scores = self.victim.score(self.clean.select(rows).replace(waveforms), [self.texts[row] for row in rows])
        if bool(scores.isnan().any()):
            raise VictimError(
                f"victim {self.victim.spec!r} gives NaN as the score of a candidate, by which nothing can be searched"
            )
        for row, value in zip(rows, scores.tolist(), strict=True):
            self.logs[row].nearer("score", value, self.direction)
        return scores

    def clip(self, row: int) -> Tensor:
        """One clean clip without padding, float (samples,)."""
        return self.clean.waveforms[row, : int(self.clean.lengths[row])]

    def spend_query(self, rows: Sequence[int]) -> list[bool]:
        """Count one query for each of ``rows`` (a row may come several times); whether it may be asked, one a row."""
        allowed = []
        for row in rows:
            left = self.queries_left(row)
            allowed.append(left is None or left > 0)
            self.logs[row].queries += allowed[-1]
        return allowed

    def queries_left(self, row: int) -> int | None:
        """How often this clip may still ask; None for without limit."""
        most = self.options.max_queries
        return None if most is None else max(0, most - self.logs[row].queries)

    def _hear(self, waveforms: Tensor | Sequence[Tensor], rows: Sequence[int], checked: bool) -> list[Heard]:
        same_length = isinstance(waveforms, Tensor)
        if isinstance(waveforms, Tensor):
            batch = self.clean.select(rows).replace(waveforms)
        else:
            batch = Batch.of(waveforms, self.clean.sample_rate)
        heard = self.victim.transcribe(batch)
        results = []
        for row, waveform, transcript in zip(rows, waveforms, heard, strict=True):
            log, clean_text = self.logs[row], self.clean_hypotheses[row]
            texts = transcript.hypotheses
            candidate = Heard(
                waveform,
                transcript.text,
                self.objective.met(self.clean_heard[row], transcript, interpret_of(self.victim)),
                self.objective.nearest(self.clean_heard[row], transcript),
            )
            log.take(candidate)
            if self.options.stages_db is not None and same_length:
                log.keep_stage(candidate, self.snr(row, waveform), self.options.stages_db)
            if checked:
                same = all(text.strip() == clean_text.strip() for text in texts)
                log.checked += 1
                log.denied += same if self.direction == "away" else not candidate.success
            results.append(candidate)
        if self._search is not None and not all(result.success for result in results):
            self._search.stale()
        return results

    def snr(self, row: int, waveform: Tensor) -> float:
        """Signal-to-noise ratio in dB of one realised candidate."""
        length = int(self.clean.lengths[row])
        return float(snr_db(self.clean.waveforms[row, :length], waveform[:length]))

    def note(self, row: int, **facts: Any) -> None:
        """Append one line to the clip's trace; see :meth:`ClipLog.note`."""
        self.logs[row].note(**facts)

    def step(self, rows: Sequence[int], done: int) -> None:
        """Count one gradient step for ``rows`` and tell the progress display."""
        for row in rows:
            self.logs[row].steps += 1
        self.tell(done)

    def tell(self, done: int) -> None:
        """Tell the progress display how many of the most steps are done."""
        if self._on_step is not None:
            self._on_step(done, self.max_steps)


def _derived(seed: int, draw: int) -> int:
    """Another seed for each ``draw`` of a clip; 0 gives the clip's own."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{draw}".encode()).digest()[:7], "big") if draw else seed
