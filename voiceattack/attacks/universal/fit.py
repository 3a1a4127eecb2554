"""Fit one perturbation to many clips at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from voiceattack.asked import Asked
from voiceattack.attacks.universal.artefact import Mode
from voiceattack.attacks.universal.attack import place
from voiceattack.audio.clips import SAMPLE_RATE, Batch, quantize16
from voiceattack.errors import AttackError
from voiceattack.objectives import Objective, interpret_of
from voiceattack.victims.base import DifferentiableVictim, LossConfig

__all__ = ["FitParams", "Fitted", "fit_universal"]


class FitParams(Asked):
    """How to fit.

    Attributes:
        mode: ``prepend`` a segment, or an ``additive`` one repeated over the clip.
        seconds: its length.
        linf: its largest amplitude, fraction of full scale.
        steps: gradient steps.
        batch_size: clips a step.
        crop_seconds: each time a clip is used, a part of at most this length is taken from a random place.
        reuse: steps spent on one draw of clips before the next; what the victim remembers of a draw is then worth its cost.
        lr: Adam's first learning rate as a fraction of ``linf``; it falls by a cosine to a tenth.
        confidence: head-room in logits.
        gain_db: each use of a clip is played louder or softer by up to this much.
        validation: share of the clips held out, by which the best perturbation is chosen.
        validate_every: steps between two looks at the clips held out.
    """

    mode: Mode = "prepend"
    seconds: float = Field(0.64, gt=0, le=30)
    linf: float = Field(0.02, gt=0, le=1)
    steps: int = Field(1000, ge=1)
    batch_size: int = Field(8, ge=1)
    crop_seconds: float = Field(4.0, gt=0)
    reuse: int = Field(4, ge=1)
    lr: float = Field(0.1, gt=0, le=1)
    confidence: float = Field(2.0, ge=0)
    gain_db: float = Field(6.0, ge=0)
    validation: float = Field(0.15, gt=0, lt=1)
    validate_every: int = Field(100, ge=1)


@dataclass(frozen=True)
class Fitted:
    """What a fit gave: the perturbation float32 (samples,) on the 16-bit grid, and how many of the held-out clips fell to it."""

    waveform: Tensor
    steps: int
    fooled: int
    validated: int


def fit_universal(
    victim: DifferentiableVictim,
    clips: Sequence[Tensor],
    objective: Objective,
    params: FitParams,
    seed: int,
    on_step: Callable[[int, int], None] | None = None,
    on_best: Callable[[Fitted], None] | None = None,
    start: Tensor | None = None,
) -> Fitted:
    """One perturbation that takes as many clips as possible to the objective (Neekhara et al. 2019; Raina et al. 2024).

    What differs: the loss is the victim's margin where it has one; clips are cropped, made louder and softer; the perturbation
    kept is the one that fools most held-out clips through the victim's ordinary path, after rounding to 16 bits.

    Args:
        victim: to fit against.
        clips: float32 (samples,) each, at least three.
        objective: what every clip should be heard as.
        params: how.
        seed: of draws, crops and gains.
        on_step: called with (steps done, steps).
        on_best: called with each new best.
        start: float (samples,) to go on from; None starts from small noise.

    Raises:
        AttackError: too few clips, or the victim hears nothing in those held out.
    """
    if len(clips) < 3:
        raise AttackError(f"fitting needs at least three clips, got {len(clips)}")
    if objective.writes and not victim.writes_on:
        raise AttackError(f"objective {objective.kind} is fitted on a Whisper with gradients, and victim {victim.spec!r} is none")
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(clips), generator=generator).tolist()
    held = max(1, round(len(clips) * params.validation))
    validation = _Validation(victim, [clips[place] for place in order[:held]], objective, params)
    training = [clips[place] for place in order[held:]]
    segment = _start(params, generator) if start is None else start.clone()
    segment = segment.to(victim.device).requires_grad_(True)
    optimizer = torch.optim.Adam([segment], lr=params.lr * params.linf)
    direction = objective.direction
    kind = "margin" if victim.token_losses else "ce"
    config = LossConfig(
        direction, "margin" if kind == "margin" else "ce", 6.0 if direction == "away" else None, params.confidence
    )
    best = validation.listen(quantize16(segment.detach()), 0)
    draw: _Draw | None = None
    for step in range(params.steps):
        for group in optimizer.param_groups:
            group["lr"] = params.lr * params.linf * (0.1 + 0.45 * (1 + math.cos(math.pi * step / params.steps)))
        if draw is None or step % params.reuse == 0:
            draw = _Draw(victim, training, objective, params, generator)
        optimizer.zero_grad()
        loss = draw.loss(segment, config)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            segment.nan_to_num_().clamp_(-params.linf, params.linf)
        if on_step is not None:
            on_step(step + 1, params.steps)
        if (step + 1) % params.validate_every == 0 or step + 1 == params.steps:
            now = validation.listen(_rounded(segment, params), step + 1)
            if now.fooled >= best.fooled:
                best = now
                if on_best is not None:
                    on_best(best)
    return best


def _start(params: FitParams, generator: torch.Generator) -> Tensor:
    samples = round(params.seconds * SAMPLE_RATE)
    return (torch.rand(samples, generator=generator) * 2 - 1) * params.linf * 0.5


def _rounded(segment: Tensor, params: FitParams) -> Tensor:
    """On the 16-bit grid, and within the limit there too."""
    most = math.floor(params.linf * 32768) / 32768
    return quantize16(segment.detach().cpu().clamp(-most, most))


def _applied(segment: Tensor, waveforms: Tensor, params: FitParams) -> Tensor:
    """Clips with the perturbation, float (batch, samples); prepended, they are longer by it."""
    if params.mode == "prepend":
        waveforms = torch.nn.functional.pad(waveforms, (len(segment), 0))
    return (waveforms + place(segment, waveforms, params.mode)).clamp(-1.0, 1.0)


class _Draw:
    """Some clips, cropped, louder or softer, and what the victim remembers of them."""

    def __init__(
        self,
        victim: DifferentiableVictim,
        clips: Sequence[Tensor],
        objective: Objective,
        params: FitParams,
        generator: torch.Generator,
    ) -> None:
        self.params = params
        chosen = torch.randperm(len(clips), generator=generator)[: params.batch_size].tolist()
        most = round(params.crop_seconds * SAMPLE_RATE)
        parts = []
        for row in chosen:
            clip, room = clips[row], max(0, len(clips[row]) - most)
            begin = int(torch.randint(room + 1, (1,), generator=generator))
            gain = 10 ** (float(torch.rand(1, generator=generator) * 2 - 1) * params.gain_db / 20)
            parts.append((clip[begin : begin + most] * gain).clamp(-1.0, 1.0))
        self.clean = Batch.of(parts).to(victim.device)
        self.rows = list(range(len(parts)))
        extra = round(params.seconds * SAMPLE_RATE) if params.mode == "prepend" else 0
        blank = torch.zeros(extra, device=victim.device)
        padded = Batch(
            _applied(blank, self.clean.waveforms, params) if extra else self.clean.waveforms, self.clean.lengths + extra
        )
        self.search = victim.search(padded)
        self.writes = objective.writes
        heard = [""] * len(parts)
        if objective.aim.follows_clean:
            heard = [transcript.text for transcript in victim.transcribe(self.clean)]
        self.texts = [objective.text_for(victim, text) for text in heard]

    def loss(self, segment: Tensor, config: LossConfig) -> Tensor:
        waveforms = _applied(segment, self.clean.waveforms, self.params)
        if self.writes:
            return self.search.writing_loss(waveforms, self.rows).loss.mean()
        return self.search.attack_loss(waveforms, self.rows, self.texts, config).loss.mean()


class _Validation:
    """Clips held out, heard whole through the ordinary path."""

    def __init__(self, victim: DifferentiableVictim, clips: Sequence[Tensor], objective: Objective, params: FitParams) -> None:
        self.victim, self.objective, self.params = victim, objective.of(victim), params
        self.clips = [quantize16(clip) for clip in clips]
        self.heard = [victim.transcribe(Batch.of([clip]))[0] for clip in self.clips]
        if not objective.targeted and not any(clean.text for clean in self.heard):
            raise AttackError("the victim hears nothing in any clip held out, so nothing can be validated; give speech")

    def listen(self, segment: Tensor, steps: int) -> Fitted:
        fooled = 0
        for clip, clean in zip(self.clips, self.heard, strict=True):
            waveform = quantize16(_applied(segment.cpu(), clip[None], self.params)[0])
            heard = self.victim.transcribe(Batch.of([waveform]).to(self.victim.device))[0]
            fooled += self.objective.met(clean, heard, interpret_of(self.victim))
        return Fitted(segment.cpu(), steps, fooled, len(self.clips))
