"""Where a decision-based search begins: perturbations that fool the victim already, each as quiet as it goes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from voiceattack.attacks.decision.mdct import BINS, mdct, synthesis
from voiceattack.attacks.decision.oracle import Decisions, Verdict
from voiceattack.audio import clips as audio
from voiceattack.corpus.samples import samples_manifest
from voiceattack.errors import AttackError, VoiceAttackError
from voiceattack.metrics.text import normalize, word_errors
from voiceattack.objectives import Objective

__all__ = ["KINDS", "START", "Start", "check_start", "find_start", "starts_for"]

KINDS = ("auto", "removal", "low-pass", "speech", "noise", "silence")
START = f"where the search begins: {', '.join(KINDS)}, or an audio file that is heard as wanted"
"""Description of a parameter that the decision-based attacks share."""
UTTERANCES = 3  # of the samples, drawn by the clip's seed
HIGHEST_DB, STRIDE_DB, FINEST_DB = 27.0, 6.0, 0.5
LOUDEST_DB = -12.0
LEAD_DB = 1.0  # by which another start must be quieter to be looked at


@dataclass(frozen=True)
class Start:
    """A family of perturbations from quiet to loud.

    Attributes:
        name: for the trace.
        at: the perturbation float (samples,) at about that SNR in dB.
        loudest_db: the lowest SNR that it has.
    """

    name: str
    at: Callable[[float], Tensor]
    loudest_db: float


def check_start(kind: str, objective: Objective) -> None:
    """Refuse a start that cannot be, before any work is done.

    Raises:
        AttackError: there is no such file, or a target is given and no recording of it is known.
    """
    if kind not in KINDS:
        if not Path(kind).is_file():
            raise AttackError(f"start {kind!r}: no such file; give {', '.join(KINDS)} or an audio file")
    elif (objective.targeted or objective.kind == "false-trigger") and not _recordings(objective):
        raise AttackError(
            f"objective {objective.kind} needs a recording of what the victim is to hear: --param start=FILE "
            "(no recording of the samples says it)"
        )


def starts_for(decisions: Decisions, kind: str, generator: torch.Generator) -> list[Start]:
    """What may fool: another utterance, noise, or parts of the clip taken away; toward a text, a recording of it.

    Args:
        decisions: of the clip.
        kind: one of :data:`KINDS`, or a path.
        generator: draws utterances and noise.

    Raises:
        AudioError: the file cannot be used.
    """
    objective, clean = decisions.problem.objective, decisions.clean
    if kind not in KINDS:
        return [_toward(f"file {Path(kind).name}", _fit(audio.load(kind), len(clean)), clean)]
    if objective.targeted or objective.kind == "false-trigger":
        folder = samples_manifest().parent
        return [_toward(f"file {name}", _fit(audio.load(folder / name), len(clean)), clean) for name in _recordings(objective)]
    away = clean.norm()
    found: list[Start] = []
    if kind in ("auto", "removal"):
        found.append(_removal(clean))
    if kind in ("auto", "low-pass"):
        found.append(_low_pass(clean))
    if kind in ("auto", "speech"):
        heard = decisions.problem.clean_hypotheses[decisions.row]
        found += [_mixed(name, _fit(wave, len(clean)).to(clean), away) for name, wave in utterances(heard, generator)]
    if kind in ("auto", "noise"):
        found.append(_mixed("noise", speech_shaped(clean, generator), away))
    if kind in ("auto", "silence"):
        found.append(Start("silence", lambda level: -clean, 0.0))
    return found


def find_start(decisions: Decisions, starts: Sequence[Start]) -> tuple[Start, Verdict] | None:
    """The quietest start that fools, by bisection of each that beats those before; None where none fools.

    Raises:
        Spent: the queries are used up.
    """
    best: tuple[Start, Verdict] | None = None
    for start in starts:
        floor = start.loudest_db if best is None else best[1].snr_db + LEAD_DB
        found = _quietest(decisions, start, floor, known=best is not None)
        if found is not None and (best is None or found.size < best[1].size):
            best = start, found
            decisions.problem.note(decisions.row, step=decisions.asked, start=start.name, snr_db=found.snr_db)
    return best


def _quietest(decisions: Decisions, start: Start, floor: float, *, known: bool) -> Verdict | None:
    """Down in strides to the first level that fools, or up from one that must; then bisection."""
    low, high = floor, HIGHEST_DB
    if known:
        found = decisions.judge([start.at(low)])[0]
        if floor < start.loudest_db or not found.fools:
            return None
        while low + STRIDE_DB < high and (louder := decisions.judge([start.at(low + STRIDE_DB)])[0]).fools:
            low, found = low + STRIDE_DB, louder
        high = min(high, low + STRIDE_DB)
    else:
        level = high
        while not (found := decisions.judge([start.at(level)])[0]).fools:
            if level <= floor:
                return None
            high, level = level, max(floor, level - STRIDE_DB)
        low = level
    while high - low > FINEST_DB:
        middle = (low + high) / 2
        tried = decisions.judge([start.at(middle)])[0]
        if tried.fools:
            low, found = middle, tried
        else:
            high = middle
    return found


def utterances(heard: str, generator: torch.Generator, count: int = UTTERANCES) -> list[tuple[str, Tensor]]:
    """Some of the sample recordings that say something else than ``heard``, drawn at random: names and samples."""
    said, folder = normalize(heard), samples_manifest().parent
    lines = [line for line in _samples() if not said or word_errors(said, normalize(line["text"])).wer >= 0.5]
    order = torch.randperm(len(lines), generator=generator).tolist()[:count]
    names = [lines[place]["audio_filepath"] for place in order]
    return [(f"speech {name}", audio.load(folder / name)) for name in names]


def speech_shaped(clean: Tensor, generator: torch.Generator) -> Tensor:
    """Noise with the clip's long-term spectrum, float (samples,)."""
    envelope = mdct(clean).square().mean(dim=0, keepdim=True).sqrt()
    noise = mdct(torch.randn(len(clean), generator=generator).to(clean))
    return synthesis(noise * envelope, len(clean))


def _samples() -> list[dict[str, str]]:
    try:
        text = samples_manifest().read_text(encoding="utf-8")
    except VoiceAttackError:
        return []
    return [json.loads(line) for line in text.splitlines()]


def _recordings(objective: Objective) -> list[str]:
    """The samples that say the target, file names."""
    target = normalize(objective.target or "")
    return [line["audio_filepath"] for line in _samples() if target and normalize(line["text"]) == target]


def _fit(wave: Tensor, length: int) -> Tensor:
    """Cut, or padded with zeros, to (length,)."""
    return torch.nn.functional.pad(wave[:length], (0, max(0, length - len(wave))))


def _mixed(name: str, wave: Tensor, size: Tensor) -> Start:
    unit = wave / wave.norm().clamp(min=1e-9)
    return Start(name, lambda level: unit * (size * 10.0 ** (-level / 20.0)), LOUDEST_DB)


def _toward(name: str, wave: Tensor, clean: Tensor) -> Start:
    """Cross-faded from the clip to another recording, which is reached at the loudest level."""
    delta = wave.to(clean) - clean
    whole = float(20.0 * torch.log10(clean.norm() / delta.norm().clamp(min=1e-9)))
    return Start(name, lambda level: delta * min(1.0, 10.0 ** ((whole - level) / 20.0)), whole)


def _removal(clean: Tensor) -> Start:
    """The weakest components of time and frequency taken away, in the spirit of Abdullah et al. 2020 (Kenansville)."""
    coefficients = mdct(clean)
    powers = coefficients.square()
    ascending = powers.flatten().sort().values.double()
    sums = ascending.cumsum(0)

    def at(level: float) -> Tensor:
        count = int((sums < sums[-1] * 10.0 ** (-max(level, 0.0) / 10.0)).sum())
        threshold = ascending[min(count, len(ascending) - 1)] if level > 0 else ascending[-1]
        return -synthesis(coefficients * (powers <= threshold), len(clean))

    return Start("removal", at, 0.0)


def _low_pass(clean: Tensor) -> Start:
    """All above a frequency taken away; of speech, most of the words and little of the energy."""
    coefficients = mdct(clean)
    above = coefficients.square().sum(dim=0).double().flip(0).cumsum(0).flip(0)

    def at(level: float) -> Tensor:
        cut = int((above > above[0] * 10.0 ** (-max(level, 0.0) / 10.0)).sum())
        return -synthesis(coefficients * (torch.arange(BINS, device=clean.device) >= cut), len(clean))

    return Start("low-pass", at, 0.0)
