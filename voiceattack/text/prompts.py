"""Whisper's initial prompt (engines write hot words into it too) as an attack surface: the audio stays, the prompt changes.

Greedy decoding leaves the clean transcript exactly where a teacher-forced pass over it first prefers another token. So one
batched pass over the decoder ranks many prompts, and only the most promising are decoded. The encoder runs once a clip.
"""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from voiceattack import audio
from voiceattack.audio_files import write_whole
from voiceattack.errors import AttackError, RunError
from voiceattack.metrics.intervals import wilson
from voiceattack.metrics.text import normalize, word_errors
from voiceattack.text import phonetics
from voiceattack.text.edits import words_of
from voiceattack.unicode_text import escape_json, visible
from voiceattack.victims.base import Victim
from voiceattack.victims.seq2seq import WhisperVictim, quiet_transformers
from voiceattack.victims.whisper_hearing import features
from voiceattack.victims.whisper_window import decode, encode

__all__ = ["ClipResult", "PromptedClip", "attack_prompts", "best_fixed", "summarize_prompts", "write_prompts"]

START_OF_PREVIOUS = "<|startofprev|>"
SEEDS = (
    "...",
    "um, uh, um, uh,",
    "no no no no no no no",
    "the the the the the",
    "OKAY. OKAY. OKAY.",
    "1. 2. 3. 4. 5. 6.",
    "la la la la la la",
)
POOL = 160
KINDS = {False: "searched", True: "fixed"}
KEEP = 6


@dataclass(frozen=True)
class ClipResult:
    """One clip: heard without a prompt and with the one found; ``wer`` is against the former, after normalisation.

    ``changed`` is whether the normalised transcripts differ; case and punctuation alone do not count.
    """

    clip: str
    clean: str
    prompt: str
    heard: str
    wer: float
    changed: bool
    decoded: int
    fixed: bool = False


class PromptedClip:
    """One clip under prompts, of a Whisper victim with one plain hearing.

    Args:
        victim: of the Whisper family.
        waveform: float32 (samples,), at most the window of 30 s.

    Raises:
        AttackError: another kind of victim, or a longer clip.
    """

    def __init__(self, victim: Victim, waveform: Tensor) -> None:
        if not isinstance(victim, WhisperVictim):
            raise AttackError(f"victim {victim.spec!r} takes no prompt here; name whisper-tiny.en or hf:<a Whisper model>")
        if len(waveform) > victim.log_mel.samples:
            raise AttackError(f"a clip of {len(waveform) / audio.SAMPLE_RATE:.0f} s is longer than Whisper's window; cut it")
        self.victim = victim
        batch = audio.Batch.of([waveform])
        with torch.no_grad():
            mel = features(victim.log_mel, batch.waveforms.to(victim.device), batch.lengths, victim.hearings[0].frontend)
            self._states = encode(victim.model, mel)
        self.decoded = 0
        self.clean = self.hear("")

    def hear(self, prompt: str) -> str:
        """The transcript with ``prompt`` (``""`` for none), by transformers' ordinary ``generate``."""
        victim = self.victim
        options: dict[str, Any] = dict(victim.generate_options)
        ids = self._prompt_ids(prompt)
        if ids:
            options["prompt_ids"] = torch.tensor(ids, device=victim.device)
        self.decoded += 1
        with torch.no_grad(), quiet_transformers():
            outputs = BaseModelOutput(last_hidden_state=self._states)
            tokens = victim.model.generate(encoder_outputs=outputs, do_sample=False, num_beams=1, **options)
        said: list[int] = tokens[0].tolist()
        return victim.words(said[len(ids) :] if ids and said[: len(ids)] == ids else said)

    def losses(self, prompts: Sequence[str]) -> list[float]:
        """How unlikely each prompt makes the clean transcript: the largest lead of another token over the transcript's own, in
        logits; above 0 greedy decoding writes something else."""
        victim = self.victim
        said = victim.text_ids(self.clean)
        wanted = torch.tensor([*said, victim.eot], device=victim.device)
        rows = [[*self._prompt_ids(prompt), *victim.prompt, *said] for prompt in prompts]
        leads = [0.0] * len(prompts)
        for width in sorted({len(row) for row in rows}):
            places = [place for place, row in enumerate(rows) if len(row) == width]
            ids = torch.tensor([rows[place] for place in places], device=victim.device)
            with torch.no_grad():
                states = self._states.expand(len(places), -1, -1)
                logits = victim.plain_rules(decode(victim.model, states, ids, width - len(wanted)))
                own = logits.gather(2, wanted.expand(len(places), -1)[..., None])[..., 0]
                others = logits.scatter(2, wanted.expand(len(places), -1)[..., None], float("-inf")).amax(dim=2)
                # The last word's end is punctuation more often than not; a change there alone is seldom one of words.
                lead = (others - own)[:, : max(1, len(said) - 1)].amax(dim=1)
            for place, value in zip(places, lead.tolist(), strict=True):
                leads[place] = value
        return leads

    def _prompt_ids(self, prompt: str) -> list[int]:
        return (
            [*self.victim.text_ids_raw(START_OF_PREVIOUS), *self.victim.text_ids_raw(" " + prompt.strip())]
            if prompt.strip()
            else []
        )


def attack_prompts(
    victim: Victim, name: str, waveform: Tensor, *, max_chars: int = 20, max_decodes: int = 24, rounds: int = 3, seed: int = 0
) -> tuple[ClipResult, PromptedClip]:
    """Search a prompt of at most ``max_chars`` characters that changes what is heard in one clip.

    Words that sound like those said come first, alone and in pairs; then the best are mutated letter by letter.

    Args:
        victim, waveform: see :class:`PromptedClip`.
        name: of the clip.
        max_chars: longest prompt.
        max_decodes: most transcripts made.
        rounds: of mutation.
        seed: of the mutations.
    """
    clip = PromptedClip(victim, waveform)
    rng = np.random.default_rng(seed)
    known: dict[str, float] = {}
    best = _result(name, clip, "", clip.clean)
    candidates = _pool(clip.clean, max_chars)
    tried: set[str] = set()
    for _ in range(rounds + 1):
        fresh = [prompt for prompt in candidates if prompt not in known]
        known |= dict(zip(fresh, clip.losses(fresh), strict=True)) if fresh else {}
        ranked = sorted(known, key=lambda prompt: -known[prompt])
        for prompt in [prompt for prompt in ranked if prompt not in tried][:KEEP]:
            if clip.decoded > max_decodes:
                return best, clip
            tried.add(prompt)
            found = _result(name, clip, prompt, clip.hear(prompt))
            if (found.changed, found.wer) > (best.changed, best.wer):
                best = found
        if best.changed:
            break
        candidates = [_mutated(prompt, max_chars, rng) for prompt in ranked[:KEEP] for _ in range(8)]
    return best, clip


def best_fixed(clips: Sequence[tuple[str, PromptedClip]], prompts: Sequence[str], most: int = 4) -> list[ClipResult]:
    """The one prompt for all clips: of ``prompts`` the one that changes most; only the ``most`` likeliest are decoded."""
    distinct = [prompt for prompt in dict.fromkeys(prompts) if prompt]
    if not distinct:
        return []
    leads = np.array([clip.losses(distinct) for _, clip in clips])
    order = np.argsort(-(leads > 0).mean(axis=0), kind="stable")[:most]
    tables = [[_result(name, clip, distinct[i], clip.hear(distinct[i]), True) for name, clip in clips] for i in order.tolist()]
    return max(tables, key=lambda rows: (sum(row.changed for row in rows), sum(row.wer for row in rows)))


def _result(name: str, clip: PromptedClip, prompt: str, heard: str, fixed: bool = False) -> ClipResult:
    clean, now = normalize(clip.clean), normalize(heard)
    wer = word_errors(clean, now).wer if clean else float(bool(now))
    return ClipResult(name, clip.clean, prompt, heard, round(wer, 4), clean != now, clip.decoded, fixed)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _pool(clean: str, max_chars: int) -> list[str]:
    words = [word.text.lower() for word in words_of(clean)]
    alike: list[list[str]] = []
    for word in words:
        near = [other for said in phonetics.pronunciations(word) for _, other in phonetics.near(said, 1.0, 3.0) if other != word]
        alike.append(list(dict.fromkeys(near))[:6])
    singles = [other for others in alike for other in others]
    pairs = [f"{a} {b}" for one, two in pairwise(alike) for a in one[:3] for b in two[:3]]
    beside = [f"{words[i]} {b}" for i, two in enumerate(alike[1:]) for b in two[:4]]
    loops = [" ".join([word] * 4) for word in [*words, *singles[:8]]]
    texts = [*SEEDS, *pairs, *beside, *loops, *singles]
    return [text for text in dict.fromkeys(text[:max_chars].strip() for text in texts) if text][:POOL]


def _mutated(prompt: str, max_chars: int, rng: np.random.Generator) -> str:
    """One letter of ``prompt`` dropped, doubled, replaced or put in."""
    at = int(rng.integers(len(prompt)))
    letter = "abcdefghijklmnopqrstuvwxyz .,"[int(rng.integers(29))]
    new = [prompt[:at] + prompt[at + 1 :], prompt[:at] + prompt[at] + prompt[at:], prompt[:at] + letter + prompt[at + 1 :]]
    new.append(prompt[:at] + letter + prompt[at:])
    return new[int(rng.integers(4))][:max_chars].strip() or prompt


def summarize_prompts(rows: Sequence[ClipResult]) -> dict[str, Any]:
    """Share of clips changed and mean WER against the transcript without a prompt: searched a clip, and one fixed for all.

    No clip counts more than 1 in the mean: a prompt that makes the recogniser repeat itself without end would be all of it.
    """
    summary: dict[str, Any] = {}
    for kind in (False, True):
        members = [row for row in rows if row.fixed is kind]
        if members:
            changed = sum(row.changed for row in members)
            summary[KINDS[kind]] = {
                "n": len(members),
                "changed": changed,
                "changed_share": changed / len(members),
                "changed_ci95": wilson(changed, len(members)),
                "wer_capped": sum(min(1.0, row.wer) for row in members) / len(members),
                "wer_median_of_changed": statistics.median(row.wer for row in members if row.changed) if changed else None,
            }
    return summary


def write_prompts(
    rows: Sequence[ClipResult], out: Path, table: Callable[..., str], escape: Callable[[str | None], str]
) -> list[Path]:
    """``prompts.jsonl``, ``prompts.csv``, ``prompts.json`` (the summary) and ``prompts.md`` in ``out``; their paths.

    Args:
        rows: searched and fixed.
        out: folder, made when missing.
        table, escape: of Markdown.

    Raises:
        RunError: they cannot be written.
    """
    sheet = io.StringIO()
    writer = csv.writer(sheet)
    names = list(ClipResult.__dataclass_fields__)
    writer.writerow(names)
    writer.writerows([[visible(str(value)) for value in asdict(row).values()] for row in rows])
    head = ("clip", "prompt", "without", "with", "WER", "changed", "prompt is")
    cells = [
        (escape(r.clip), escape(r.prompt), escape(r.clean), escape(r.heard), f"{r.wer:.2f}", _yes(r.changed), KINDS[r.fixed])
        for r in rows
    ]
    files = {
        "prompts.jsonl": "".join(escape_json(json.dumps(asdict(row), ensure_ascii=False)) + "\n" for row in rows),
        "prompts.csv": sheet.getvalue(),
        "prompts.json": json.dumps(summarize_prompts(rows), indent=1) + "\n",
        "prompts.md": "# voiceattack report: prompts\n\nThe audio stays; WER is against the transcript without a prompt.\n\n"
        + table(head, cells),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_whole(out / name, text.encode())
    except OSError as error:
        raise RunError(f"{out}: cannot be written ({error.strerror}); make room or choose another folder") from error
    return [out / name for name in files]
