"""What the attacker wants: one file for what belongs together, one line in ``objective.py`` for each kind."""

from __future__ import annotations

from voiceattack.objectives.actions import action_of, interpret_of
from voiceattack.objectives.base import Interpret, Measure
from voiceattack.objectives.objective import AIMS, KINDS, Objective, ObjectiveKind, wanted

__all__ = ["AIMS", "KINDS", "Interpret", "Measure", "Objective", "ObjectiveKind", "action_of", "interpret_of", "wanted"]
