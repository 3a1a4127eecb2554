"""What an attack is. The budget is enforced here, once; an attack's author writes only the search."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from voiceattack.attacks.clip_log import Heard, OutOfQueries
from voiceattack.attacks.options import DEFAULTS, SearchOptions
from voiceattack.attacks.problem import Problem
from voiceattack.attacks.shortfall import shortfall
from voiceattack.audio.clips import Batch
from voiceattack.constraints import Budget
from voiceattack.corpus import Utterance
from voiceattack.errors import AttackError, BudgetError, SpecError, TargetError, VoiceAttackError
from voiceattack.metrics.text import normalize
from voiceattack.objectives import Objective, interpret_of
from voiceattack.victims.base import Victim, differentiates

__all__ = ["HALLUCINATE", "Attack", "BudgetAttack", "Crafted", "MinimizationAttack", "Params"]

HALLUCINATE = (
    "untargeted: toward what the victim writes when nothing is said, for wrong-action toward another command, not merely away"
)
"""Description of a parameter that several attacks share; see :meth:`Problem.retargeted`."""


class Params(BaseModel):
    """Base of every attack's parameters: named, typed, ranged, JSON-safe; unknown names are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass
class Crafted:
    """One crafted artefact.

    Attributes:
        waveform: float32 (samples,), already on the 16-bit grid: exactly what the saved file holds.
        steps: gradient steps spent on this clip.
        queries: transcriptions and scores asked of the victim for this clip.
        seconds: wall-clock seconds of the batch divided by its clips.
        warnings: what makes this example doubtful.
        trace: how the search went: step, loss, snr_db, what the check said; where it failed, the last line says how near it came,
            see :class:`~voiceattack.attacks.shortfall.Shortfall`.
        stages: other candidates met on the way, the best of each bin of SNR: the bin's lower edge in dB and the waveform.
        draws: what was drawn at random, JSON-safe, for the example's recipe.
        fooled: whether the search heard a success within budget; None where it heard nothing.
    """

    waveform: Tensor
    steps: int
    queries: int
    seconds: float
    warnings: list[str] = field(default_factory=list)
    trace: list[dict[str, Any]] = field(default_factory=list)
    stages: list[tuple[float, Tensor]] = field(default_factory=list)
    draws: dict[str, Any] = field(default_factory=dict)
    fooled: bool | None = None


class Attack(ABC):
    """A way to search for a perturbation. Construct with parameters, call :meth:`craft` on batches.

    Subclasses set ``name``, ``summary``, ``needs``, a nested ``Params`` and write :meth:`search`.

    Raises:
        SpecError: an unknown parameter, or one out of range.
    """

    name: ClassVar[str]
    summary: ClassVar[str] = ""
    needs: ClassVar[frozenset[str]] = frozenset({"hears"})
    needs_budget: ClassVar[bool] = True
    changes_length: ClassVar[bool] = False
    """Whether an artefact may be longer or shorter than its clip. No size is defined then, so such an attack takes no limit."""
    slows: ClassVar[bool] = False
    """Whether it takes objective ``slow``: searches with the problem's own loss, judged by success alone, or not at all."""
    stages_db: ClassVar[float | None] = None
    """Width in dB of the bins of SNR of which the best candidate is kept too, unless the caller names one; None keeps none."""
    Params: ClassVar[type[Params]] = Params

    def __init__(self, **params: Any) -> None:
        try:
            self.config = self.Params(**params)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            known = ", ".join(self.Params.model_fields) or "none"
            raise SpecError(f"attack {self.name}: parameter {where!r}: {first['msg']}; parameters: {known}") from error

    @property
    def params(self) -> dict[str, Any]:
        """All parameters, defaults included, JSON-safe."""
        return self.config.model_dump(mode="json")

    @property
    def max_steps(self) -> int:
        """The most gradient steps a clip may cost."""
        return int(getattr(self.config, "steps", 0))

    @property
    def max_queries(self) -> int:
        """The most transcriptions a clip may cost."""
        return 0

    def steps_on(self, victim: Victim) -> Victim:
        """The victim on which the gradient steps are taken: ``victim`` itself, or what stands in for it."""
        return victim

    def prepare(self, waveform: Tensor) -> Tensor:
        """The clean clip float32 (samples,) as this attack presents it: itself, or with room made for what it inserts.

        The result is saved as the clean clip, heard as such, and every size is measured against it.
        """
        return waveform

    def set_corpus(self, corpus: Sequence[Utterance], draws: Mapping[str, Any] | None = None) -> None:
        """Called before any clip is attacked: what other clips the run has; few attacks care.

        Args:
            corpus: the clips of the run.
            draws: what was drawn for the one example that is crafted again, from its recipe; None in a run.
        """
        del corpus, draws

    def check(self, victim: Victim, objective: Objective, budget: Budget) -> None:
        """Refuse a combination that cannot work, before any work is done.

        Raises:
            AttackError: the victim lacks a capability, or the budget is missing; names what would work instead.
            TargetError: the victim cannot say the target.
        """
        missing = self.needs - victim.capabilities
        if missing:
            from voiceattack.attacks import attacks_for

            raise AttackError(
                f"attack {self.name} needs a victim that {' and '.join(sorted(missing))}, victim {victim.spec!r} does not; "
                f"attacks that work on it: {', '.join(attacks_for(victim))}"
            )
        if self.changes_length and budget:
            raise AttackError(
                f"attack {self.name} takes no limit, since its artefacts may differ from their clips in length; "
                f"leave out {', '.join('--' + name.replace('_', '-') for name in budget.as_dict())}"
            )
        if self.needs_budget and not budget:
            raise AttackError(
                f"attack {self.name} needs a budget: give --snr-db, --linf, --l2, --db-x or --masking-excess(-max)-db"
            )
        if objective.acts:
            _check_action(victim, objective)
        if objective.writes:
            _check_writing(self, victim, objective)
        objective.of(victim).aim.check_victim(victim)
        if objective.targeted and differentiates(victim):
            victim.check_target(str(objective.target))

    def craft(
        self,
        victim: Victim,
        batch: Batch,
        clean_hypotheses: Sequence[str],
        objective: Objective,
        budget: Budget,
        seeds: Sequence[int],
        on_step: Callable[[int, int], None] | None = None,
        options: SearchOptions = DEFAULTS,
    ) -> list[Crafted | VoiceAttackError]:
        """Craft one artefact a clip.

        Args:
            victim: the system attacked.
            batch: clean clips, on the 16-bit grid.
            clean_hypotheses: what the victim hears in them, raw.
            objective: what is wanted.
            budget: limits that the artefact holds to after 16-bit rounding.
            seeds: one a clip; the artefact of a clip attacked alone depends on nothing else.
            on_step: called with (steps done, steps at most).
            options: what the search may do.

        Returns:
            One entry a clip, in order: the artefact, or the error that cost this clip alone.
        """
        self.check(victim, objective, budget)
        judged = objective.of(victim)
        refused = [self._refusal(judged, clip, heard) for clip, heard in zip(batch.clips(), clean_hypotheses, strict=True)]
        rows = [row for row, reason in enumerate(refused) if reason is None]
        results: list[Crafted | VoiceAttackError] = [
            AttackError(reason) if reason else AttackError("not crafted") for reason in refused
        ]
        if not rows:
            return results
        started = time.perf_counter()
        device = victim.device if differentiates(victim) else batch.waveforms.device
        # A batch of survivors is cut to its own longest clip, so that a refused neighbour leaves no trace.
        clean = Batch.of([clip for row, clip in enumerate(batch.clips()) if row in rows], batch.sample_rate).to(device)
        heard, own = [clean_hypotheses[row] for row in rows], [seeds[row] for row in rows]
        if options.stages_db is None:
            options = options.model_copy(update={"stages_db": self.stages_db})
        problem = Problem(victim, clean, heard, objective, budget, own, self.max_steps, on_step, options)
        best = self._best_of(problem)
        seconds = (time.perf_counter() - started) / len(rows)
        for index, row in enumerate(rows):
            results[row] = self._crafted(problem, index, best[index], seconds)
        return results

    def _best_of(self, problem: Problem) -> Tensor | list[Tensor]:
        """What the search found; where it asked as often as it may, each clip's best candidate heard so far."""
        try:
            best = self.search(problem)
        except OutOfQueries:
            best = problem.best()
            for log in problem.logs:
                log.cut_short = True
        except Exception as error:  # a victim may be anybody's code, and was asked all the same
            setattr(error, "queries", sum(log.queries for log in problem.logs))  # noqa: B010
            raise
        for log in problem.logs:
            if log.cut_short and not log.solved:
                log.warnings.append(f"the search was cut short at max_queries={problem.options.max_queries}")
        return best

    def _crafted(self, problem: Problem, row: int, found: Tensor, seconds: float) -> Crafted | VoiceAttackError:
        """One clip's artefact, measured again; an error where it left its budget."""
        log, clean = problem.logs[row], problem.clip(row).cpu()
        waveform = found.cpu() if self.changes_length else found[: len(clean)].cpu()
        excess = 0.0 if self.changes_length else problem.budget.excess(clean, waveform)
        if excess > 1.0:
            error = BudgetError(
                f"attack {self.name} left its budget {problem.budget.as_dict()} by a factor of {excess:.4f}; refused"
            )
            error.queries = log.queries
            return error
        if (short := shortfall(problem, row, waveform)) is not None:
            problem.note(row, step=log.steps, **short.note())
        stages = _stages(log.stages, waveform, clean, problem.budget)
        fooled = None if log.best is None else log.solved and log.over_budget is None
        return Crafted(waveform, log.steps, log.queries, seconds, log.doubts(), log.trace, stages, log.draws, fooled)

    def _refusal(self, objective: Objective, clip: Tensor, heard: str) -> str | None:
        if not bool(clip.abs().max() > 0):
            return "the clip is digital silence: no perturbation has a signal-to-noise ratio over it; leave it out"
        if "differentiates" in self.needs and objective.direction == "away" and not normalize(heard, objective.language):
            return "the victim hears nothing in the clean clip, so there is nothing to move away from; use a target"
        return objective.aim.refusal(heard)

    @abstractmethod
    def search(self, problem: Problem) -> Tensor | list[Tensor]:
        """Find perturbed waveforms, float (batch, samples), each made by ``problem.realize``: in budget, on the 16-bit grid.

        An attack that changes lengths gives one waveform (samples,) a clip instead.
        """


class BudgetAttack(Attack):
    """Does the most harm within a given budget."""


class MinimizationAttack(Attack):
    """Finds the smallest perturbation that succeeds; a budget, if given, is the largest it may return."""

    needs_budget: ClassVar[bool] = False


def _check_writing(attack: Attack, victim: Victim, objective: Objective) -> None:
    """Refuse to make a victim write on by an attack that does not search for that, or where the victim has no loss for it.

    Raises:
        AttackError: which says.
    """
    if not attack.slows:
        raise AttackError(f"attack {attack.name} does not search for objective {objective.kind}; use pgd, cw or minimum-norm")
    if "differentiates" in attack.needs and not (differentiates(victim) and victim.writes_on):
        raise AttackError(
            f"objective {objective.kind} needs a Whisper with gradients, that writes tokens; victim {victim.spec!r} is none: "
            "name whisper-tiny.en, hf:ID or whisper:FOLDER, and evaluate the artefacts on yours"
        )


def _check_action(victim: Victim, objective: Objective) -> None:
    """Refuse an objective on actions of a victim that takes none, or a target text that means another action.

    Raises:
        AttackError, TargetError: which says.
    """
    interpret = interpret_of(victim)
    if interpret is None:
        raise AttackError(f"objective {objective.kind} needs a victim that acts; name assistant:home?asr={victim.spec}")
    if objective.targeted and not objective.succeeded("", str(objective.target), interpret):
        meant = interpret(str(objective.target))
        raise TargetError(f"{objective.target!r} means {meant} to {victim.spec!r}, not {objective.kind}; give another --target")


def _stages(kept: dict[float, Heard], final: Tensor, clean: Tensor, budget: Budget) -> list[tuple[float, Tensor]]:
    """The stages worth saving, softest first: within budget, and not the final artefact again."""
    cut = [(level, heard.waveform[: len(clean)].cpu()) for level, heard in sorted(kept.items(), reverse=True)]
    return [(level, wave) for level, wave in cut if not torch.equal(wave, final) and budget.excess(clean, wave) <= 1.0]


def generators(problem: Problem) -> list[torch.Generator]:
    """One CPU generator a clip, seeded by the clip's own seed."""
    return [torch.Generator().manual_seed(seed) for seed in problem.seeds]
