"""Which text a search moves toward: the likeliest spelling of a target, or, where it only says "away", a place to go."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from rapidfuzz.distance import Levenshtein

from voiceattack.audio.clips import Batch
from voiceattack.errors import TargetError
from voiceattack.metrics.text import normalize
from voiceattack.objectives import Objective, interpret_of
from voiceattack.victims.base import DifferentiableVictim

__all__ = ["likeliest_spellings", "places_to_go"]

NEAREST = 4  # commands of which the likeliest is aimed at


def likeliest_spellings(victim: DifferentiableVictim, clean: Batch, target: str) -> list[str]:
    """The spelling of ``target`` that is already likeliest for each clip: success is judged after normalisation."""
    variants = victim.target_variants(target)
    if len(variants) == 1:
        return variants * len(clean)
    scores = torch.stack([victim.score(clean, [variant] * len(clean)) for variant in variants])
    return [variants[index] for index in scores.argmax(dim=0).tolist()]


def places_to_go(
    victim: DifferentiableVictim, objective: Objective, clean: Batch, clean_hypotheses: Sequence[str]
) -> list[str] | None:
    """A text a clip that the victim is more easily led to than merely away; None where a clip has no such text.

    For ``wrong-action`` it is the likeliest of the victim's commands that read most like what was said and mean another action;
    for others the first of its hallucinations that has no word of what was said, or of those with most harm.
    """
    texts = []
    for row, heard in enumerate(clean_hypotheses):
        if objective.kind == "wrong-action":
            text = _other_command(victim, objective, clean.select([row]), heard)
        else:
            text = _hallucination(victim, objective, heard)
        texts.append(text)
    known = [text for text in texts if text is not None]
    return known if len(known) == len(texts) else None


def _hallucination(victim: DifferentiableVictim, objective: Objective, heard: str) -> str | None:
    known = [text for text in victim.hallucinations if _leads_there(victim, objective, heard, text)]
    # The first of equals.
    return max(known, key=lambda text: min(1.0, objective.wer_against_clean(heard, text)), default=None)


def _other_command(victim: DifferentiableVictim, objective: Objective, clip: Batch, heard: str) -> str | None:
    said, own = normalize(heard, victim.language), victim.language
    by_spelling = sorted(dict.fromkeys(victim.commands), key=lambda text: Levenshtein.distance(normalize(text, own), said))
    near = list(itertools.islice((text for text in by_spelling if _leads_there(victim, objective, heard, text)), NEAREST))
    return near[int(victim.score(clip.select([0] * len(near)), near).argmax())] if near else None


def _leads_there(victim: DifferentiableVictim, objective: Objective, heard: str, text: str) -> bool:
    """Whether the victim can say ``text``, and where actions count, whether that would be a success."""
    if objective.acts and not objective.succeeded(heard, text, interpret_of(victim)):
        return False
    if text == victim.mute_text:
        return True
    try:
        victim.check_target(text)
    except TargetError:
        return False
    return True
