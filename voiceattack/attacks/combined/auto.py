"""``auto``: several white-box attacks in turn, without parameters, and checks of whether the result can be believed."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor

from voiceattack.attacks import base, validity
from voiceattack.attacks.gradient.cw import CarliniWagner
from voiceattack.attacks.gradient.mi_fgsm import MIFGSM
from voiceattack.attacks.gradient.pgd import PGD
from voiceattack.attacks.noise import Noise
from voiceattack.attacks.problem import Problem
from voiceattack.attacks.sequence import Stage, run_in_turn, split_steps

__all__ = ["Auto"]

# Per cent of the steps, stage by stage.
AWAY = (35, 25, 20, 20)
TOWARD = (40, 25, 20, 15)


class Auto(base.BudgetAttack):
    """Complementary attacks, each on the clips that withstood those before, in the spirit of AutoAttack (Croce & Hein 2020).

    Untargeted: ``pgd`` on the saturating cross-entropy (35 % of the steps), ``pgd`` on the margin (25 %), ``pgd`` with Adam, a
    step halved on plateaus and a random start (20 %), ``mi-fgsm`` (20 %); where the victim's hallucinations are known, ``pgd``
    toward them comes first and ``mi-fgsm`` falls away. Targeted and mute: ``cw`` up to its first success
    (40 %), ``pgd`` on the cross-entropy (25 %), ``pgd`` on the margin (20 %), the Adam search (15 %). A clip leaves at its first
    success; steps that a stage leaves over are not passed on. Each clip's best candidate heard is returned.

    Then noise of the budget's size is heard on what still stands. Warnings in the record: a randomised victim, noise that
    succeeds where gradients failed, zero gradients, a cheap check that the ear denies. What differs from the paper: its stages
    are APGD with two losses, FAB and Square, for classifiers of images; a victim without per-token logits gets a random start in
    place of the margin.
    """

    name: ClassVar[str] = "auto"
    summary: ClassVar[str] = "several attacks in turn, without parameters (after Croce & Hein 2020)"
    needs: ClassVar[frozenset[str]] = frozenset({"hears", "differentiates"})

    class Params(base.Params):
        """Parameters of ``auto``."""

        steps: int = Field(300, ge=1, le=100_000, description="of all its attacks together, at most")

    config: Params

    @property
    def max_queries(self) -> int:
        directions: tuple[Literal["away", "toward"], ...] = ("away", "toward")
        plans = (
            _plan(direction, self.config.steps, margin=True, start_snr_db=15.0, hallucinate=hallucinate)
            for direction in directions
            for hallucinate in (False, True)
        )
        # One more to hear the clean clip again, and one for the noise.
        return max(sum(attack.max_queries for _, attack in plan) for plan in plans) + 2

    def search(self, problem: Problem) -> Tensor:
        validity.randomised(problem)
        margin = CarliniWagner.has_margin(problem)
        plan = _plan(
            problem.direction,
            self.config.steps,
            margin=margin,
            start_snr_db=_loosest_snr_db(problem),
            hallucinate=problem.retargeted().direction != problem.direction,
        )
        winners = run_in_turn(problem, [Stage(name, attack.max_steps, attack.search) for name, attack in plan])
        unsolved = problem.unsolved()
        if unsolved:
            part = problem.subset(unsolved, max_steps=0, draw=len(plan))
            for place in validity.black_box_wins(part, Noise().search(part)):
                winners[unsolved[place]] = "noise"
        for row, (winner, log) in enumerate(zip(winners, problem.logs, strict=True)):
            success = log.best is not None and log.best.success
            problem.note(row, step=log.steps, won=winner if success else None, nearest=winner, success=success)
        problem.tell(problem.max_steps)
        return problem.best()


def _plan(
    direction: Literal["away", "toward"], steps: int, *, margin: bool, start_snr_db: float, hallucinate: bool
) -> list[tuple[str, base.Attack]]:
    """Name and attack of each stage that has steps."""
    first, second, third, fourth = split_steps(steps, AWAY if direction == "away" else TOWARD)
    plan: list[tuple[str, base.Attack | None]]
    if direction == "away" and hallucinate:
        plan = [
            ("pgd hallucination", PGD(steps=first) if first else None),
            ("pgd ce", _pgd(second)),
            _other(third, margin),
            ("pgd adam restart", _restart(fourth)),
        ]
    elif direction == "away":
        plan = [
            ("pgd ce", _pgd(first)),
            _other(second, margin),
            ("pgd adam restart", _restart(third)),
            ("mi-fgsm", MIFGSM(steps=fourth) if fourth else None),
        ]
    else:
        carlini = CarliniWagner(steps=first, start_snr_db=start_snr_db, stop_at_success=True)
        plan = [
            ("cw", carlini),
            ("pgd ce", _pgd(second)),
            _other(third, margin),
            ("pgd adam restart", _restart(fourth)),
        ]
    return [(name, attack) for name, attack in plan if attack is not None]


def _pgd(steps: int) -> PGD | None:
    return PGD(steps=steps, hallucinate=False) if steps else None


def _other(steps: int, margin: bool) -> tuple[str, PGD | None]:
    """The margin, or for a victim without one the same loss from elsewhere."""
    if not margin:
        return "pgd ce restart", PGD(steps=steps, hallucinate=False, random_start=True) if steps else None
    return "pgd margin", PGD(steps=steps, hallucinate=False, loss="margin") if steps else None


def _restart(steps: int) -> PGD | None:
    return PGD(steps=steps, hallucinate=False, optimizer="adam", schedule="plateau", random_start=True) if steps else None


def _loosest_snr_db(problem: Problem) -> float:
    """The SNR at which ``cw`` starts: that of the batch's loosest budget, in dB, within what ``cw`` takes."""
    clean = problem.clean
    radius = problem.budget.search_radius(clean)
    if not problem.budget.euclidean:
        radius = radius * clean.lengths.to(clean.waveforms).sqrt()
    ratios = 20 * (clean.waveforms.norm(dim=1) / radius.clamp(min=1e-12)).log10()
    return min(max(float(ratios.min()), -10.0), 80.0)
