"""What makes an evaluation doubtful, after AutoAttack's flags (Croce & Hein 2020) and Carlini et al. 2019: one line each.

The first functions read counts and cost nothing; every attack's record has them. The others ask the victim; ``auto`` runs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from voiceattack.audio.clips import Batch

if TYPE_CHECKING:
    from voiceattack.attacks.problem import Problem

__all__ = ["black_box_wins", "disagreement", "randomised", "zero_gradients"]


def zero_gradients(zeros: int, steps: int) -> str | None:
    """A warning when more than a tenth of a clip's ``steps`` had a zero gradient: the search was blind there."""
    if steps and zeros >= steps:
        return "zero gradients at every step: the victim hides its gradient or the loss is saturated"
    return f"zero gradients at {zeros} of {steps} steps" if zeros > 0.1 * steps else None


def disagreement(denied: int, checked: int) -> str | None:
    """A warning when the ear denied most, and at least three, of the candidates that the victim's own loss held to be done.

    Rounding to 16 bits costs one now and then; more means that the victim decodes otherwise than its loss assumes.
    """
    if denied < 3 or 2 * denied <= checked:
        return None
    return (
        f"loss and transcript disagree: {denied} of {checked} candidates that passed the victim's cheap check were heard "
        "otherwise; its loss is not that of its ordinary decoding"
    )


def randomised(problem: Problem) -> list[bool]:
    """Hear each clean clip again, alone, and note a warning where the transcript differs; costs one query a clip."""
    found: list[bool] = []
    if not all(problem.charge(range(len(problem.logs)))):
        return [False] * len(problem.logs)
    for clip, expected, log in zip(problem.clean.clips(), problem.clean_hypotheses, problem.logs, strict=True):
        again = problem.victim.transcribe(Batch.of([clip.cpu()], problem.clean.sample_rate).to(clip.device))[0].text
        found.append(again != expected)
        if found[-1]:
            log.warnings.append(
                "randomised victim: it heard the same clean clip differently twice, so one hearing of an artefact proves little"
            )
    return found


def black_box_wins(problem: Problem, noise: Tensor) -> list[int]:
    """Hear noise of the budget's size on clips that a white-box search could not win; costs one query a clip.

    Args:
        problem: the clips that stand.
        noise: float (batch, samples), realised.

    Returns:
        Rows where noise succeeds; each gets a warning, for gradients should do better.
    """
    won = [row for row, heard in enumerate(problem.hear(noise, range(len(noise)))) if heard.success]
    for row in won:
        problem.logs[row].warnings.append(
            "black box beats white box: random noise within the budget succeeds where the gradients failed"
        )
    return won
