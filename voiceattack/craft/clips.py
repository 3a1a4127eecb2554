"""Attack clean clips as one batch, and if that fails each alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from voiceattack.attacks.base import Attack, Crafted
from voiceattack.attacks.options import DEFAULTS, SearchOptions
from voiceattack.audio.clips import Batch
from voiceattack.constraints import Budget
from voiceattack.errors import VoiceAttackError, as_error
from voiceattack.objectives import Objective
from voiceattack.victims import Victim

__all__ = ["craft_clips"]


def craft_clips(
    victim: Victim,
    attack: Attack,
    waveforms: Sequence[Tensor],
    heard: Sequence[str],
    objective: Objective,
    budget: Budget,
    seeds: Sequence[int],
    on_step: Callable[[int, int], None] | None = None,
    options: SearchOptions = DEFAULTS,
) -> list[Crafted | VoiceAttackError]:
    """Attack clean 16-bit clips, float32 (samples,) each, as one batch; if the batch fails, each alone.

    The other arguments are those of :meth:`voiceattack.attacks.base.Attack.craft`.

    Returns:
        One artefact or error a clip, in order.
    """

    def go(rows: Sequence[int]) -> list[Crafted | VoiceAttackError]:
        batch = Batch.of([waveforms[row] for row in rows])
        texts, own = [heard[row] for row in rows], [seeds[row] for row in rows]
        return attack.craft(victim, batch, texts, objective, budget, own, on_step, options)

    def alone(row: int) -> Crafted | VoiceAttackError:
        try:
            return go([row])[0]
        except Exception as error:  # a victim may be anybody's code; whatever it raises costs its clip alone
            return as_error(error)

    rows = range(len(waveforms))
    if len(rows) == 1:
        return [alone(0)]
    try:
        return go(rows)
    except Exception:
        return [alone(row) for row in rows]
