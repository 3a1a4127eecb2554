"""One batch under attack: realise perturbations as 16-bit audio, hear them, keep each clip's best."""

from __future__ import annotations

import copy
import hashlib
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from rapidfuzz.distance import Levenshtein
from torch import Tensor

from voiceattack.attacks import validity
from voiceattack.attacks.clip_log import ClipLog, Heard, OutOfQueries
from voiceattack.audio.clips import Batch, quantize16
from voiceattack.constraints import Budget
from voiceattack.errors import TargetError, VictimError
from voiceattack.metrics.signal import snr_db
from voiceattack.metrics.text import normalize
from voiceattack.objectives import Objective, interpret_of
from voiceattack.victims.base import AttackLoss, DifferentiableVictim, LossConfig, LossSession, Transcript, Victim, differentiates

__all__ = ["ClipLog", "Heard", "OutOfQueries", "Problem"]


NEAREST = 4  # commands of which the likeliest is aimed at


class Problem:
    """What a search works on; everything it may ask.

    Attributes:
        victim, clean, clean_hypotheses, objective, budget, seeds: as given to ``Attack.craft``.
        direction: whether the search moves ``"away"`` from ``texts`` or ``"toward"`` them.
        texts: the text a clip to move away from or toward.
        logs: one :class:`ClipLog` a clip.
        stages_db: width in dB of the bins of SNR whose best candidates are kept, or None.
        max_queries: the most transcriptions and scores a clip may ask for, or None. Enforced here, for every attack.
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
        stages_db: float | None = None,
        max_queries: int | None = None,
    ) -> None:
        self.victim = victim
        self.max_queries = max_queries
        self.stages_db = stages_db
        self.clean = clean
        self.clean_hypotheses = list(clean_hypotheses)
        self.objective = objective = objective.of(victim)
        self.budget = budget
        self.seeds = list(seeds)
        self.max_steps = max_steps
        self.logs = [ClipLog() for _ in range(len(clean))]
        self._on_step = on_step
        self._search: LossSession | None = None
        self._scoring: dict[int, LossSession] = {}
        self.direction = objective.direction
        self.texts = [objective.text_for(victim, heard) for heard in clean_hypotheses]
        if objective.targeted and differentiates(victim):
            self.texts = self._likeliest_spelling(victim, str(objective.target))

    def _likeliest_spelling(self, victim: DifferentiableVictim, target: str) -> list[str]:
        """Success is judged after normalisation, so each clip aims at the spelling already likeliest for it."""
        variants = victim.target_variants(target)
        if len(variants) == 1:
            return variants * len(self.clean)
        scores = torch.stack([victim.score(self.clean, [variant] * len(self.clean)) for variant in variants])
        return [variants[index] for index in scores.argmax(dim=0).tolist()]

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
        part.texts = [self.texts[row] for row in rows]
        part.seeds = [_derived(self.seeds[row], draw) for row in rows]
        part.logs = [self.logs[row] for row in rows]
        part.max_steps = max_steps
        part._search, part._scoring = None, {}
        part._on_step = lambda done, most: self.tell(offset + min(done, most))
        return part

    def aimed(self, hallucinate: bool = True) -> Problem:
        """This problem, or where it only says "away" and ``hallucinate`` is true, the same with a place to go.

        A recogniser that has learned to write certain texts over silence (Whisper: "Thank you.") is more easily led to one of
        these than merely away from what was said: away, most steps buy other spellings of the same words. Each clip aims at the
        first of ``victim.hallucinations`` that has no word of it, or of those with most harm. An assistant that is to do
        something else is led to the likeliest of those of its ``commands`` that read most like what was said and mean another
        action. Success is judged as before. Where a clip has no such place, all keep to "away".
        """
        victim = self.victim
        if not hallucinate or self.direction == "toward" or not differentiates(victim):
            return self
        pick = self._other_command if self.objective.kind == "wrong-action" else self._hallucination
        texts = [pick(victim, row) for row in range(len(self.clean))]
        if None in texts:
            return self
        part = copy.copy(self)
        part.direction = "toward"
        part.texts = [str(text) for text in texts]
        part._search, part._scoring = None, {}
        return part

    def _hallucination(self, victim: DifferentiableVictim, row: int) -> str | None:
        heard = self.clean_hypotheses[row]
        known = [text for text in victim.hallucinations if self._leads_there(victim, heard, text)]
        # The first of equals.
        return max(known, key=lambda text: min(1.0, self.objective.wer_against_clean(heard, text)), default=None)

    def _other_command(self, victim: DifferentiableVictim, row: int) -> str | None:
        heard = self.clean_hypotheses[row]
        said, own = normalize(heard, victim.language), victim.language
        by_spelling = sorted(dict.fromkeys(victim.commands), key=lambda text: Levenshtein.distance(normalize(text, own), said))
        near = list(itertools.islice((text for text in by_spelling if self._leads_there(victim, heard, text)), NEAREST))
        if not near:
            return None
        clip = self.clean.select([row] * len(near))
        return near[int(victim.score(clip, near).argmax())]

    def _leads_there(self, victim: DifferentiableVictim, heard: str, text: str) -> bool:
        """Whether the victim can say ``text``, and where actions count, whether that would be a success."""
        if self.objective.acts and not self.objective.succeeded(heard, text, interpret_of(victim)):
            return False
        return _can_say(victim, text)

    def prefer(self, row: int, heard: Heard) -> None:
        """Take a candidate heard as its clip's best though another is as near; not when another is nearer."""
        best = self.logs[row].best
        if best is None or (heard.success, heard.nearness) >= (best.success, best.nearness):
            self.logs[row].best = heard

    def standing(self) -> list[int]:
        """Rows of the clips without a success so far."""
        return [row for row, log in enumerate(self.logs) if log.best is None or not log.best.success]

    def best(self) -> Tensor:
        """Each clip's best candidate heard, float (batch, samples); the clean clip where none was."""
        return torch.stack(
            [self.clean.waveforms[row] if log.best is None else log.best.waveform for row, log in enumerate(self.logs)]
        )

    def attack_loss(self, waveforms: Tensor, rows: Sequence[int], config: LossConfig) -> AttackLoss:
        """The victim's attack loss on the clips at ``rows``; ``waveforms`` is float (len(rows), samples)."""
        if self._search is None:
            assert differentiates(self.victim)
            self._search = self.victim.search(self.clean)
        result = self._search.attack_loss(waveforms, rows, [self.texts[row] for row in rows], config)
        if result.distance is not None and self.direction == self.objective.direction:
            for row, share in zip(rows, result.distance.tolist(), strict=True):
                self.logs[row].nearer("tokens_wrong", share, self.direction)
        return result

    def realize(self, delta: Tensor, rows: Sequence[int] | None = None, budget: Budget | None = None) -> Tensor:
        """Perturbed waveforms float (rows, samples) on the 16-bit grid and within budget.

        Rounding adds up to half a step of noise, which can break a budget that the float perturbation held: such a
        perturbation is scaled down by what it exceeds, and in the last resort rounded toward the clean clip, or left out.
        """
        clean = self.clean if rows is None else self.clean.select(rows)
        budget = self.budget if budget is None else budget
        delta = budget.project(delta.detach(), clean)
        rounded = quantize16(clean.waveforms + delta)
        for place in range(len(clean)):
            length = int(clean.lengths[place])
            original = clean.waveforms[place, :length]
            shrink = 1.0
            for _ in range(8):
                excess = budget.excess(original, rounded[place, :length])
                if excess <= 1.0:
                    break
                shrink *= 0.9999 / excess
                rounded[place] = quantize16(clean.waveforms[place] + delta[place] * shrink)
            else:
                inward = (delta[place] * 32768.0).trunc() / 32768.0
                rounded[place] = quantize16(clean.waveforms[place] + inward)
                if budget.excess(original, rounded[place, :length]) > 1.0:
                    rounded[place] = clean.waveforms[place]
        return rounded

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
        if not all(allowed := self.charge(rows)):
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
        if not all(self.charge(rows)):
            raise OutOfQueries
        if cap is not None and differentiates(self.victim):
            scores = self._score_tokens(self.victim, waveforms, list(rows), cap)
        else:
            scores = self.victim.score(self.clean.select(rows).replace(waveforms), [self.texts[row] for row in rows])
        if bool(scores.isnan().any()):
            raise VictimError(
                f"victim {self.victim.spec!r} gives NaN as the score of a candidate, by which nothing can be searched"
            )
        for row, value in zip(rows, scores.tolist(), strict=True):
            self.logs[row].nearer("score", value, self.direction)
        return scores

    def _score_tokens(self, victim: DifferentiableVictim, waveforms: Tensor, rows: list[int], cap: float) -> Tensor:
        """Mean log-probability of a token. What a search remembers is each clip's own here: no neighbour changes a score."""
        away = self.direction == "away"
        config = LossConfig(self.direction, "ce", cap if away else None)
        for row in rows:
            if row not in self._scoring:
                self._scoring[row] = victim.search(Batch.of([self.clip(row)], self.clean.sample_rate).to(waveforms.device))
        places = range(len(rows))
        with torch.no_grad():
            if all(type(self._scoring[row]) is LossSession for row in rows):  # it remembers nothing: one call serves all clips
                batch = self.clean.select(rows).replace(waveforms)
                losses = victim.attack_loss(batch, [self.texts[row] for row in rows], config).loss
            else:
                losses = torch.empty(len(rows), device=waveforms.device)
                for row in dict.fromkeys(rows):
                    mine = [place for place in places if rows[place] == row]
                    candidates = waveforms[mine, : int(self.clean.lengths[row])]
                    texts = [self.texts[row]] * len(mine)
                    losses[mine] = self._scoring[row].attack_loss(candidates, [0] * len(mine), texts, config).loss.to(losses)
        return losses if away else -losses

    def clip(self, row: int) -> Tensor:
        """One clean clip without padding, float (samples,)."""
        return self.clean.waveforms[row, : int(self.clean.lengths[row])]

    def charge(self, rows: Sequence[int]) -> list[bool]:
        """Count one query for each of ``rows`` (a row may come several times); whether it may be asked, one a row."""
        allowed = []
        for row in rows:
            left = self.queries_left(row)
            allowed.append(left is None or left > 0)
            self.logs[row].queries += allowed[-1]
        return allowed

    def queries_left(self, row: int) -> int | None:
        """How often this clip may still ask; None for without limit."""
        return None if self.max_queries is None else max(0, self.max_queries - self.logs[row].queries)

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
                self.objective.met(Transcript(clean_text), transcript, interpret_of(self.victim)),
                min(self.objective.nearness(clean_text, text) for text in texts),
            )
            if log.best is None or (candidate.success, candidate.nearness) > (log.best.success, log.best.nearness):
                log.best = candidate
            if self.stages_db is not None and same_length:
                self._keep_stage(row, candidate, self.stages_db)
            if checked:
                same = all(text.strip() == clean_text.strip() for text in texts)
                log.checked += 1
                log.denied += same if self.direction == "away" else not candidate.success
            results.append(candidate)
        if self._search is not None and not all(result.success for result in results):
            self._search.stale()
        return results

    def _keep_stage(self, row: int, candidate: Heard, width: float) -> None:
        snr = self.snr(row, candidate.waveform)
        if math.isfinite(snr):
            level, stages = math.floor(snr / width) * width, self.logs[row].stages
            kept = stages.get(level)
            # Of equals the later counts: a search that goes on has more behind it.
            if kept is None or (candidate.success, candidate.nearness) >= (kept.success, kept.nearness):
                stages[level] = candidate

    def snr(self, row: int, waveform: Tensor) -> float:
        """Signal-to-noise ratio in dB of one realised candidate."""
        length = int(self.clean.lengths[row])
        return float(snr_db(self.clean.waveforms[row, :length], waveform[:length]))

    def note(self, row: int, **facts: Any) -> None:
        """Append one line to the clip's trace; floats are rounded so that the record stays readable."""
        self.logs[row].trace.append({name: round(fact, 4) if isinstance(fact, float) else fact for name, fact in facts.items()})

    def step(self, rows: Sequence[int], done: int) -> None:
        """Count one gradient step for ``rows`` and tell the progress display."""
        for row in rows:
            self.logs[row].steps += 1
        self.tell(done)

    def tell(self, done: int) -> None:
        """Tell the progress display how many of the most steps are done."""
        if self._on_step is not None:
            self._on_step(done, self.max_steps)

    def warnings(self, row: int) -> list[str]:
        """Validity warnings after the search (AutoAttack's spirit); see :mod:`voiceattack.attacks.validity`."""
        log = self.logs[row]
        counted = (
            validity.zero_gradients(log.zero_gradients, log.steps),
            validity.disagreement(log.denied, log.checked),
        )
        return [text for text in counted if text] + log.warnings


def _can_say(victim: DifferentiableVictim, text: str) -> bool:
    try:
        victim.check_target(text)
    except TargetError:
        return False
    return True


def _derived(seed: int, draw: int) -> int:
    """Another seed for each ``draw`` of a clip; 0 gives the clip's own."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{draw}".encode()).digest()[:7], "big") if draw else seed
