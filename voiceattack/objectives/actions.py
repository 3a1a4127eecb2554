"""Objectives on what an assistant does: ``wrong-action``, ``no-action`` and ``action:Intent{slot=value}``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from voiceattack.objectives.base import Aim, Interpret, Measure
from voiceattack.victims.base import Transcript, Victim
from voiceattack.victims.intent import Intent, parse_action

__all__ = ["Action", "NoAction", "WrongAction", "action_of", "interpret_of"]


def interpret_of(victim: Victim) -> Interpret | None:
    """What a victim that acts does with a text; None for one that does not act."""
    return victim.interpret if "acts" in victim.capabilities else None


def action_of(heard: Transcript, interpret: Interpret) -> Intent:
    """What the victim did on a clip: as it was seen, else what it does with the text."""
    return interpret(heard.text) if heard.action is None else heard.action


class _OnActions(Aim):
    """An action that the victim took on the clip itself counts as it was seen; else the one that it takes on the text."""

    acts = True

    @abstractmethod
    def done(self, action: Intent, clean: Callable[[], Intent]) -> bool:
        """Whether an action is what was wanted, given that on the clean clip."""

    def succeeded(self, clean: str, heard: str, interpret: Interpret | None) -> bool:
        return interpret is not None and self.done(interpret(heard), lambda: interpret(clean))

    def met(self, clean: Transcript, heard: Transcript, interpret: Interpret | None) -> bool:
        if heard.action is None or interpret is None:
            return super().met(clean, heard, interpret)
        return self.done(heard.action, lambda: action_of(clean, interpret))

    def nearness(self, clean: str, heard: str) -> float:
        return self.wer_from(clean, heard)

    @property
    def measure(self) -> tuple[Measure, float | None]:
        return "wer_from_clean", None

    def misheard(self, reference: str, clean: Transcript, words_differ: bool, interpret: Interpret | None) -> bool:
        if interpret is None:
            return super().misheard(reference, clean, words_differ, interpret)
        return reference != clean.text and action_of(clean, interpret) != interpret(reference)


class WrongAction(_OnActions):
    """Something else is done."""

    name = "wrong-action"
    wants = "bring about another action"
    direction = "away"

    def done(self, action: Intent, clean: Callable[[], Intent]) -> bool:
        return bool(action) and action != clean()


class NoAction(_OnActions):
    """Nothing is done."""

    name = "no-action"
    wants = "bring about no action"
    direction = "away"

    def done(self, action: Intent, clean: Callable[[], Intent]) -> bool:
        return not action


class Action(_OnActions):
    """This is done, brought about by the target."""

    name = "action"
    follows_clean = False
    takes = "Intent{slot=value}"
    needs = True
    targeted = True

    def check(self) -> None:
        parse_action(self.argument)

    def told(self) -> str:
        return f"bring about {self.argument} by “{self.target}”"

    def text_for(self, victim: Victim, clean: str) -> str:
        return str(self.target)

    def done(self, action: Intent, clean: Callable[[], Intent]) -> bool:
        return parse_action(self.argument).covers(action)

    def nearness(self, clean: str, heard: str) -> float:
        return -self.wer_to(str(self.target), heard)

    @property
    def measure(self) -> tuple[Measure, float | None]:
        return "wer_to_target", 0.0
