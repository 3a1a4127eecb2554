"""What is asked of an attack run: one JSON-safe object, and the part of it that decides an example's bytes."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import Field

from voiceattack.asked import Asked
from voiceattack.attacks import ATTACKS, build_attack
from voiceattack.attacks.base import Attack
from voiceattack.attacks.options import SearchOptions
from voiceattack.commands import command_line, option_words, param_text
from voiceattack.constraints import Budget
from voiceattack.errors import SpecError, UnknownNameError
from voiceattack.numbers import LARGEST
from voiceattack.objectives import Objective, ObjectiveKind
from voiceattack.victims.specs import without_patience

__all__ = ["AttackRequest"]


class AttackRequest(SearchOptions, Asked):
    """What is asked of :func:`craft`; JSON-safe. How to search is asked for by the fields that it inherits, :attr:`options`.

    Attributes:
        inputs: audio files, folders or manifests.
        victim: spec string.
        attack: registered name.
        params: the attack's parameters; missing ones take their defaults.
        objective, target, wer_threshold: see :class:`~voiceattack.objectives.Objective`.
        budget: any limits by name (``snr_db``, ``linf``, ``band``, ...); see :class:`~voiceattack.constraints.Budget`.
        seed: of the run; each example derives its own from it and from its content.
        control: whether each artefact gets a noise control of the same SNR.
        keep_format: also carry each perturbation back to its file's own sample rate and channels, under ``original/``.
    """

    inputs: tuple[str, ...]
    victim: str = "whisper-tiny.en"
    attack: str = "pgd"
    params: dict[str, Any] = Field(default_factory=dict)
    objective: ObjectiveKind = "untargeted"
    target: str | None = None
    wer_threshold: float = Field(default=0.5, gt=0)
    budget: dict[str, float | str] = Field(default_factory=dict)
    seed: int = Field(default=0, ge=0, le=LARGEST)
    control: bool = True
    keep_format: bool = False

    def build(self) -> tuple[Attack, Objective, Budget]:
        """The attack, what it wants and what it may change.

        Raises:
            UnknownNameError: no such attack.
            SpecError: a parameter, the objective or the budget is wrong.
        """
        objective = Objective(self.objective, self.target, self.wer_threshold)
        return build_attack(self.attack, **self.params), objective, _budget(self.budget)

    def identity(self) -> dict[str, Any]:
        """All that decides an example's bytes, and nothing else: the run's id is derived from it, so that adding, removing or
        reordering inputs, or doing without controls, changes no example."""
        attack, objective, budget = self.build()
        return {
            "victim": without_patience(self.victim),
            "attack": self.attack,
            "params": attack.params,
            **objective.as_dict(),
            "budget": budget.as_dict(),
            "seed": self.seed,
            **self.recorded(),
        }

    def command(self, out: str | Path) -> str:
        """The command line that asks for the same, for a shell: parsed again, it is a request of the same identity.

        Args:
            out: the run directory to name.
        """
        words: list[str | Path] = []
        members = self.victim.removeprefix("ensemble:").split("|")
        # Named one by one, a victim counts once; an ensemble that holds one twice is named as it is.
        alone = list(dict.fromkeys(member.strip() for member in members))
        together = self.victim.startswith("ensemble:") and len(members) > 1 and alone == members
        for victim in members if together else [self.victim]:
            words += ["--victim", victim]
        words += ["--attack", self.attack]
        if self.objective == "mute":
            words += ["--mute"]
        elif self.objective not in ("untargeted", "targeted"):
            words += ["--objective", self.objective]
        words += ["--target", self.target] if self.target is not None else []
        for name, limit in self.budget.items():
            words += [f"--{name.replace('_', '-')}", limit if isinstance(limit, str) else repr(limit)]
        for name, value in self.params.items():
            if not self._left_out(name, value):
                words += ["--param", param_text(name, value)]
        words += option_words(self, ("wer_threshold", *SearchOptions.model_fields, "control", "keep_format"))
        words += ["--seed", repr(self.seed), "--out", Path(out)]
        behind = any(given.startswith("-") for given in self.inputs)
        return command_line("attack", *([*words, "--", *self.inputs] if behind else [*self.inputs, *words]))

    def _left_out(self, param: str, value: Any) -> bool:
        """Whether a parameter has this value when it is not given, or is None where nobody knows."""
        try:
            known = ATTACKS.get(self.attack).Params.model_fields
        except UnknownNameError:
            return value is None
        return known[param].default == value if param in known else value is None


def _budget(limits: dict[str, Any]) -> Budget:
    try:
        return Budget(**limits)
    except TypeError as error:
        known = ", ".join(field.name for field in fields(Budget))
        raise SpecError(f"budget {limits}: a limit is unknown or of the wrong type; limits: {known}") from error
