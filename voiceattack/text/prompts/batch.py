"""Prompts for a whole set of clips: one searched for each, one fixed for all, and random words as the control."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from voiceattack.corpus import Utterance
from voiceattack.errors import as_error
from voiceattack.progress import Progress, each
from voiceattack.runs.provenance import example_seed
from voiceattack.text.prompts.pool import random_prompt
from voiceattack.text.prompts.records import Choice, PromptRecord
from voiceattack.text.prompts.search import PromptedClip, best_fixed, open_clip, search_prompt
from voiceattack.victims.base import Victim
from voiceattack.victims.whisper.prompted import PromptKind, prompted

__all__ = ["search_all"]


def search_all(
    victim: Victim,
    clips: Sequence[Utterance],
    *,
    kind: PromptKind = "initial-prompt",
    max_chars: int = 20,
    max_decodes: int = 24,
    fixed: str | None = None,
    seed: int = 0,
    on_progress: Progress | None = None,
    on_error: Callable[[str], None] | None = None,
) -> list[PromptRecord]:
    """Records of three choices a clip; a clip that cannot be used costs itself.

    The fixed prompt is the best of those found on these very clips, unless one is given: then it owes them nothing.

    Args:
        victim: takes a prompt.
        clips: of at most 30 s.
        kind, max_chars, max_decodes: see :func:`voiceattack.text.prompts.search.search_prompt`.
        fixed: the prompt for all clips; None takes the best of those found.
        seed: of the run; a clip's own derives from it and the file's content.
        on_progress: called with (clips done, clips, prompt).
        on_error: called with one line for each clip that cannot be used.

    Raises:
        AttackError: the victim takes no prompt.
    """
    prompted(victim)
    records: list[PromptRecord] = []
    opened: list[PromptedClip] = []
    used: list[tuple[Utterance, str]] = []

    def record(item: Utterance, digest: str, choice: Choice, prompt: str, decoded: int, own: int) -> None:
        limits = (max_chars, max_decodes) if choice == "searched" else (max_chars, 0)
        records.append(PromptRecord(item.place, digest, prompt, kind, choice, victim.spec, *limits, decoded, own))

    for item in each(clips, "searching", lambda item: item.place, on_progress):
        try:
            waveform, digest = item.load()[0], item.digests()[1]
            own = example_seed(seed, digest, f"prompts:{kind}")
            clip = open_clip(victim, waveform, kind)
            found = search_prompt(clip, max_chars=max_chars, max_decodes=max_decodes, seed=own)
        except Exception as error:  # a victim may be anybody's code
            told = str(as_error(error))
            if on_error is not None:
                on_error(told if str(item.path) in told else f"{item.place}: {told}")
            continue
        opened.append(clip)
        used.append((item, digest))
        record(item, digest, "searched", found.prompt, found.decoded, own)
        record(item, digest, "random", random_prompt(max_chars, np.random.default_rng(own)), 0, own)
    one = fixed or best_fixed(opened, [row.prompt for row in records if row.choice == "searched"])
    if one:
        for item, digest in used:
            record(item, digest, "fixed", one, 0, seed)
    return records
