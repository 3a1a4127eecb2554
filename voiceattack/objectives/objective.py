"""What the attacker wants of a transcript."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from voiceattack.errors import SpecError
from voiceattack.objectives.actions import Action, NoAction, WrongAction
from voiceattack.objectives.base import Aim, Interpret, Measure
from voiceattack.objectives.languages import Translate, WrongLanguage
from voiceattack.objectives.transcript import Mute, Targeted, Untargeted
from voiceattack.objectives.wake_words import Evade, FalseTrigger
from voiceattack.objectives.words import Drop, Insert
from voiceattack.objectives.writing import Repeat, Runaway, Slow, tokens_ratio
from voiceattack.victims.base import Transcript, Victim

if TYPE_CHECKING:
    from voiceattack.audio.clips import Batch

__all__ = ["AIMS", "KINDS", "Objective", "ObjectiveKind", "wanted"]

ObjectiveKind = str
_ALL: tuple[type[Aim], ...] = (
    Untargeted,
    Targeted,
    Mute,
    WrongAction,
    NoAction,
    Action,
    Evade,
    FalseTrigger,
    Slow,
    Runaway,
    Repeat,
    Drop,
    Insert,
    WrongLanguage,
    Translate,
)
AIMS = {aim.name: aim for aim in _ALL}
"""Every objective by name."""
KINDS = tuple(aim.name for aim in _ALL if not aim.needs)
"""Those that are complete without an argument; others are ``action:<Intent{slot=value}>``, ``drop:TERM``, ``insert:TEXT``, and
``slow:<factor>`` may have one."""


@dataclass(frozen=True)
class Objective:
    """Success, defined on normalised transcripts, or on the actions that a victim which acts takes on the raw ones.

    Attributes:
        kind: ``untargeted`` (hear something else), ``targeted`` (hear exactly ``target``), ``mute`` (hear nothing), ``drop:TERM``
            (all but this) or ``insert:TEXT`` (this besides). Of an assistant: ``wrong-action`` (do something else), ``no-action``
            or ``action:HassTurnOff{name=lock.front}`` (do this). Of a wake-word detector: ``evade`` (said, not heard) or
            ``false-trigger`` (not said, heard). Of one writing tokens: ``slow``, or ``slow:30``, to write that many times the
            tokens of the clean clip, ``runaway`` to write to its limit, ``repeat`` to repeat itself. Of one that knows several
            languages: ``wrong-language``, or ``translate`` into English.
        target: the text wanted; for ``targeted`` and ``action:`` only, where its interpretation must be that action.
        wer_threshold: ``untargeted`` succeeds when the error rate against the victim's own clean transcript is at least this,
            > 0: WER, or CER in a language whose words are not set apart (:func:`voiceattack.languages.error_unit`).
        language: in which transcripts are compared; :meth:`of` takes a victim's.

    Raises:
        SpecError: they do not fit together.
    """

    kind: ObjectiveKind = "untargeted"
    target: str | None = None
    wer_threshold: float = 0.5
    language: str = "en"

    def __post_init__(self) -> None:
        if not 0 < self.wer_threshold < math.inf:
            raise SpecError(f"wer_threshold must be > 0 and finite, got {self.wer_threshold}")
        assert self.aim

    @cached_property
    def aim(self) -> Aim:
        """What the kind means.

        Raises:
            SpecError: there is no such kind, or what it takes is wrong.
        """
        name, colon, argument = self.kind.partition(":")
        found = AIMS.get(name)
        if found is None or (found.needs and not argument) or (colon and (not found.takes or not argument)):
            known = ", ".join([*KINDS, *(f"{aim.name}:{aim.takes}" for aim in _ALL if aim.takes)])
            raise SpecError(f"unknown objective {self.kind!r}; choose {known}")
        return found(argument, self.target, self.wer_threshold, self.language)

    def of(self, victim: Victim) -> Objective:
        """The same, judged in the language of ``victim``."""
        return replace(self, language=victim.language)

    @property
    def name(self) -> str:
        """The kind."""
        return self.kind

    @property
    def targeted(self) -> bool:
        """Whether the search moves toward the text ``target``."""
        return self.aim.targeted

    @property
    def writes(self) -> bool:
        """Whether the victim is to write on and on, so that a search holds the end down and follows no text."""
        return self.aim.writes

    @property
    def acts(self) -> bool:
        """Whether success is judged on actions."""
        return self.aim.acts

    @property
    def wakes(self) -> bool:
        """Whether it is about a detector of wake words."""
        return self.aim.wakes

    @property
    def direction(self) -> Literal["away", "toward"]:
        """Whether the search moves away from the clean transcript or toward a text."""
        return self.aim.direction

    def tokens_ratio(self, clean: Transcript, heard: Transcript) -> float:
        """Tokens written over those of the clean clip, of which none counts as one; 0 where the victim does not tell."""
        return tokens_ratio(clean, heard)

    def text_for(self, victim: Victim, clean_hypothesis: str) -> str:
        """The text that the search moves away from or toward."""
        return self.aim.text_for(victim, clean_hypothesis)

    def texts(self, victim: Victim, clips: Batch, clean_hypotheses: Sequence[str]) -> list[str]:
        """The text of each clip that the search moves away from or toward, asking the victim where that needs it."""
        return self.aim.texts(victim, clips, clean_hypotheses)

    def wer_against_clean(self, clean_hypothesis: str, hypothesis: str) -> float:
        """WER, >= 0, of the raw hypothesis against the raw clean one, both normalised; invented words after silence count 1."""
        return self.aim.wer_from(clean_hypothesis, hypothesis)

    def succeeded(self, clean_hypothesis: str, hypothesis: str, interpret: Interpret | None = None) -> bool:
        """Whether ``hypothesis``, raw, is what the attacker wanted, given the victim's raw transcript of the clean clip.

        Args:
            clean_hypothesis, hypothesis: raw transcripts.
            interpret: what the victim does on a transcript; objectives on actions never succeed without it.
        """
        return self.aim.succeeded(clean_hypothesis, hypothesis, interpret)

    def met(self, clean: Transcript, heard: Transcript, interpret: Interpret | None = None) -> bool:
        """Whether what was heard of a clip is what the attacker wanted, in every way in which the victim heard it.

        An action that the victim took on the clip itself counts as it was seen; else the one that it takes on the text.

        Args:
            clean, heard: of the clean clip and of the perturbed one.
            interpret: what the victim does on a text.
        """
        return self.aim.met(clean, heard, interpret)

    def nearest(self, clean: Transcript, heard: Transcript) -> float:
        """:meth:`nearness` of what was heard, the least over the ways in which it was; of tokens where these count."""
        return self.aim.nearest(clean, heard)

    def nearness(self, clean_hypothesis: str, hypothesis: str) -> float:
        """How near a transcript comes to success, higher is nearer: WER from clean, or less the word errors still missing."""
        return self.aim.nearness(clean_hypothesis, hypothesis)

    @property
    def measure(self) -> tuple[Measure, float | None]:
        """What the size of :meth:`nearness` counts, and the value that is a success; None where the victim's action decides."""
        return self.aim.measure

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe, for recipes."""
        return {"objective": self.kind, "target": self.target, "wer_threshold": self.wer_threshold}


def wanted(kind: ObjectiveKind, target: str | None = None) -> str:
    """What an objective wants of the victim, in words that continue "made to ...": for reports."""
    try:
        return Objective(kind, target if AIMS[kind.partition(":")[0]].targeted else None).aim.told()
    except (KeyError, SpecError):
        return f"be heard as “{target}”"  # of a version to come
