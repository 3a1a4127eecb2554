"""A search among strictly masked perturbations: steps in proportion to what each part of time and frequency hides."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from voiceattack.attacks.clip_log import Heard
from voiceattack.attacks.gradient.cw import SLACK, CarliniWagner
from voiceattack.attacks.problem import Problem
from voiceattack.constraints.headroom import headroom
from voiceattack.metrics.psychoacoustics import HOP, N_FFT
from voiceattack.victims.base import LossConfig, LossKind

__all__ = ["masked_search"]

STEP = 0.3  # of what is hidden, in the mean over time and frequency; falls to a tenth of it
MOMENTUM = 0.8
SINK_DB = 1.5  # how much further under the threshold the next success must lie
AWAY_CAP = 6.0  # untargeted: logits a token at which the loss saturates
CHECK_EVERY = 10  # steps between two decodes where the victim has no cheap check
TINY = 1e-30


def masked_search(problem: Problem, steps: int, limit_db: float, confidence: float) -> list[Heard | None]:
    """Each clip's most hidden success, heard from 16 bits; None where there is none.

    A perturbation is bounded in every bin by what the clip hides there, so a step is taken in these units: the gradient's
    spectrum, weighed by the hidden amplitude, gives phases and, by its root, sizes. After each success the bound sinks, so that
    what is found last lies furthest under the threshold.

    Args:
        problem: the clips, of any budget; the strict limit comes on top.
        steps: gradient steps at most.
        limit_db: first bound of every bin, dB above the masking threshold.
        confidence: head-room in logits that every token must have.
    """
    clean, direction = problem.clean, problem.direction
    count = len(clean)
    hidden = [headroom(clip, limit_db).amplitude() for clip in clean.clips()]
    limits, best = [limit_db] * count, [None] * count  # type: list[float], list[Heard | None]
    delta, velocity = torch.zeros_like(clean.waveforms), torch.zeros_like(clean.waveforms)
    rows = list(range(count))
    for step in range(steps):
        waveforms = (clean.waveforms + delta).detach().requires_grad_(True)
        result = problem.attack_loss(waveforms, rows, _loss(problem, all(best), confidence))
        (gradient,) = torch.autograd.grad(result.loss.sum(), waveforms)
        problem.step(rows, step + 1)
        for row in _candidates(result.matches, direction, rows, step):
            budget = replace(problem.budget, masking_excess_max_db=limits[row])
            (heard,) = problem.hear(problem.realize(delta[[row]], [row], budget), [row], checked=result.matches is not None)
            snr = problem.snr(row, heard.waveform)
            problem.note(row, step=step + 1, limit_db=limits[row], snr_db=snr, heard=heard.text, success=heard.success)
            if heard.success:
                best[row] = heard
                limits[row] -= SINK_DB
        size = STEP * (1.0 - 0.9 * step / max(1, steps - 1))
        for row, length in enumerate(clean.lengths.tolist()):
            push = _in_hidden_units(torch.nan_to_num(gradient[row, :length]), hidden[row])
            velocity[row, :length] = MOMENTUM * velocity[row, :length] + (1.0 - MOMENTUM) * push
            budget = replace(problem.budget, masking_excess_max_db=limits[row])
            moved = (delta[row] - size * velocity[row])[None]
            delta[row] = budget.project(moved, clean.select([row]))[0]
    return best


def _loss(problem: Problem, won: bool, confidence: float) -> LossConfig:
    """Cross-entropy up to the first success of all, from there the margin, where the victim has one."""
    toward = problem.direction == "toward"
    kind: LossKind = "margin" if CarliniWagner.has_margin(problem) and (won or not toward) else "ce"
    return LossConfig(problem.direction, kind, None if toward else AWAY_CAP, confidence + SLACK, confidence)


def _candidates(matches: Tensor | None, direction: str, rows: list[int], step: int) -> list[int]:
    """Clips to be heard now: those that pass the victim's cheap check, else all now and then."""
    if matches is None:
        return rows if step % CHECK_EVERY == CHECK_EVERY - 1 else []
    if direction == "toward":
        return [row for row in rows if bool(matches[row])]
    return [row for row in rows if not bool(matches[row])] if step % CHECK_EVERY == CHECK_EVERY - 1 else []


def _in_hidden_units(gradient: Tensor, amplitude: Tensor) -> Tensor:
    """A direction float (samples,) whose spectrum has the mean size of ``amplitude``, float (bins, frames)."""
    window = torch.hann_window(N_FFT, device=gradient.device, dtype=gradient.dtype)
    spectrum = torch.stft(gradient, N_FFT, HOP, window=window, center=True, pad_mode="constant", return_complex=True)
    weighed = spectrum * amplitude
    size = weighed.abs()
    root = size.sqrt() / size.mean().sqrt().clamp(min=TINY)
    push: Tensor = torch.istft(
        amplitude * weighed * (root / size.clamp(min=TINY)), N_FFT, HOP, window=window, center=True, length=len(gradient)
    )
    return push
