"""One text under attack: what may be changed, what counts as success, and every trial made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from pydantic import Field

from voiceattack.asked import Asked
from voiceattack.errors import SpecError
from voiceattack.text.edits import Edit, apply, words_of
from voiceattack.text.listeners import NOTHING, Answer, Listener
from voiceattack.text.measures.sizes import semantic_similarity, visual_similarity

__all__ = ["TextLimits", "TextObjective", "TextProblem", "TextTrial"]

TextObjective = Literal["any", "wrong-action", "no-action", "action"]


class TextLimits(Asked):
    """What a change may cost.

    Attributes:
        max_words: most words touched.
        max_edit_distance: most characters inserted, deleted or replaced, counted over the edits; None for no limit.
        min_similarity: least semantic similarity, -1 to 1; None for no limit.
        min_visual: least visual similarity, 0 to 1; None for no limit.
        max_queries: most texts asked of the victim.
    """

    max_words: int = Field(default=1, ge=1)
    max_edit_distance: int | None = Field(default=None, ge=1)
    min_similarity: float | None = Field(default=None, ge=-1, le=1)
    min_visual: float | None = Field(default=None, ge=0, le=1)
    max_queries: int = Field(default=500, ge=1)


@dataclass(frozen=True)
class TextTrial:
    """One changed text and how the victim took it."""

    edits: tuple[Edit, ...]
    text: str
    answer: Answer
    gain: float
    success: bool

    @property
    def cost(self) -> tuple[float, ...]:
        """Smaller is less noticeable: words, sound, characters."""
        sound = sum(edit.distance or 0.0 for edit in self.edits)
        return sum(edit.words for edit in self.edits), sound, sum(len(edit.old) + len(edit.new) for edit in self.edits)


class TextProblem:
    """A text, the edits offered at each word, and the victim that answers.

    Args:
        text: the clean text.
        options: for each word the edits offered, the least noticeable first.
        listener: who answers.
        objective: see :func:`succeeded`.
        target: the label or action wanted, for the objective ``action``.
        limits: enforced here, once, for every search.
        rng: for searches that draw.
    """

    def __init__(
        self,
        text: str,
        options: Sequence[Sequence[Edit]],
        listener: Listener,
        objective: TextObjective,
        target: str | None,
        limits: TextLimits,
        rng: np.random.Generator,
    ) -> None:
        self.text, self.listener, self.limits, self.rng = text, listener, limits, rng
        self.objective, self.target = objective, target
        self.words = words_of(text)
        listener.begin()
        self._first = listener.queries
        self.clean = listener.answer(text)
        self.options = [[edit for edit in offered if self.admissible((edit,))] for offered in options]

    @property
    def queries(self) -> int:
        """Texts asked so far."""
        return self.listener.queries - self._first

    @property
    def spent(self) -> bool:
        """Whether no query is left."""
        return self.queries >= self.limits.max_queries

    def admissible(self, edits: Iterable[Edit]) -> bool:
        """Whether edits fit together and keep within the limits."""
        ordered = sorted(edits)
        if any(later.start < edit.end or later.start == edit.start for edit, later in pairwise(ordered)):
            return False
        if not within(self.text, ordered, self.limits):
            return False
        return apply(self.text, ordered) != self.text

    def attempt(self, edits: Iterable[Edit]) -> TextTrial:
        """Ask the victim the text with ``edits`` made; they must be admissible."""
        made = tuple(sorted(edits))
        text = apply(self.text, made)
        answer = self.listener.answer(text)
        return TextTrial(
            made, text, answer, answer.away_from(self.clean), succeeded(self.objective, self.target, self.clean, answer)
        )


def within(text: str, edits: Sequence[Edit], limits: TextLimits) -> bool:
    """Whether ``edits`` of ``text`` keep within all limits but that on queries."""
    if sum(edit.words for edit in edits) > limits.max_words:
        return False
    characters = sum(max(len(edit.old), len(edit.new)) for edit in edits)
    if limits.max_edit_distance is not None and characters > limits.max_edit_distance:
        return False
    if limits.min_similarity is None and limits.min_visual is None:
        return True
    changed = apply(text, edits)
    if limits.min_similarity is not None and semantic_similarity(text, changed) < limits.min_similarity:
        return False
    return limits.min_visual is None or visual_similarity(text, changed) >= limits.min_visual


def succeeded(objective: TextObjective, target: str | None, clean: Answer, answer: Answer) -> bool:
    """Whether ``answer`` is what the attacker wants.

    ``any``: another answer than the clean one, also none; ``wrong-action``: another one, and not none; ``no-action``: none where
    there was one; ``action``: this one (an action's further slots are free).

    Raises:
        SpecError: ``action`` without a target.
    """
    if objective == "action":
        if target is None:
            raise SpecError("objective action needs a target, for example --target 'HassTurnOff{name=lock.front}'")
        return answer.label == target or _covers(target, answer.label)
    if answer.label == clean.label:
        return False
    return {"any": True, "wrong-action": answer.label != NOTHING, "no-action": answer.label == NOTHING}[objective]


def _covers(target: str, label: str) -> bool:
    from voiceattack.victims.intent import parse_action

    try:
        wanted: Any = parse_action(target)
        return bool(wanted.covers(parse_action(label)))
    except SpecError:
        return False
