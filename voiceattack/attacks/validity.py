"""What makes an evaluation doubtful, after AutoAttack's flags (Croce & Hein 2020) and Carlini et al. 2019: one line each.

Those here ask the victim, and ``auto`` runs them. Those that read counts alone are in every attack's record; see
:mod:`voiceattack.attacks.clip_log`.
"""

from __future__ import annotations

from torch import Tensor

from voiceattack.attacks.problem import Problem
from voiceattack.audio.clips import Batch

__all__ = ["black_box_wins", "randomised"]


def randomised(problem: Problem) -> list[bool]:
    """Hear each clean clip again, alone, and note a warning where the transcript differs; costs one query a clip."""
    found: list[bool] = []
    if not all(problem.spend_query(range(len(problem.logs)))):
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
