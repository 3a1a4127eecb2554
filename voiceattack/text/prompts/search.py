"""A recogniser's prompt as an attack surface: the audio stays, and a short initial prompt, or hot words, change what is heard.

Greedy decoding leaves the clean transcript exactly where a teacher-forced pass over it first prefers another token. So, where the
victim is the project's own Whisper, one pass over the decoder ranks many prompts and only the most promising are decoded; the
encoder runs once a clip. Other victims are asked in the order of the candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from voiceattack.audio import clips as audio
from voiceattack.errors import AttackError
from voiceattack.metrics.repetition import loops
from voiceattack.metrics.text import normalize, word_errors
from voiceattack.text.prompts.pool import candidates, mutated
from voiceattack.victims.base import Victim
from voiceattack.victims.whisper.frontends import features
from voiceattack.victims.whisper.model import WhisperModel
from voiceattack.victims.whisper.prompt import generate_prompted, prompt_ids, refuse_timestamps
from voiceattack.victims.whisper.prompted import PromptKind, prompted
from voiceattack.victims.whisper.victim import WhisperVictim
from voiceattack.victims.whisper.window import decode, encode

__all__ = ["Found", "PromptedClip", "WhisperClip", "best_fixed", "capped_wer", "changed", "open_clip", "search_prompt"]

KEEP = 6
BATCH = 64
LEADERS = 8


@dataclass(frozen=True)
class Found:
    """What a search found: the prompt, what it makes the victim write, and the transcripts that were made to find it."""

    prompt: str
    heard: str
    decoded: int


class PromptedClip:
    """One clip under prompts: what the search asks, and how often.

    Args:
        victim: takes a prompt.
        waveform: float32 (samples,), at most 30 s.
        kind: how the prompt is given.

    Raises:
        AttackError: the victim takes none, or the clip is longer than Whisper's window.
    """

    def __init__(self, victim: Victim, waveform: Tensor, kind: PromptKind) -> None:
        asked = prompted(victim)
        if len(waveform) > 30 * audio.SAMPLE_RATE:
            raise AttackError(f"a clip of {len(waveform) / audio.SAMPLE_RATE:.0f} s is longer than Whisper's window; cut it")
        self.victim, self.kind, self.waveform = asked, kind, waveform
        self.decoded = 0
        self.clean = self.hear("")

    def hear(self, prompt: str) -> str:
        """The transcript with ``prompt`` (``""`` for none); counts as one decode."""
        self.decoded += 1
        return self.victim.transcribe_prompted(audio.Batch.of([self.waveform]), prompt, self.kind)[0].text

    def leads(self, prompts: Sequence[str]) -> list[float]:
        """For each prompt, how promising it is: above 0, another word is expected. Here nothing is known."""
        return [0.0] * len(prompts)


class WhisperClip(PromptedClip):
    """The same with the project's own Whisper: what the encoder makes of the clip is kept, and prompts are ranked by logits."""

    def __init__(self, victim: WhisperVictim, waveform: Tensor, kind: PromptKind) -> None:
        self._whisper = model = victim.model
        refuse_timestamps(model, victim.spec)
        batch = audio.Batch.of([waveform])
        with torch.no_grad():
            mel = features(model.log_mel, batch.waveforms.to(model.device), batch.lengths, model.modes[0].frontend)
            self._states = encode(model.network, mel)
        super().__init__(victim, waveform, kind)

    def hear(self, prompt: str) -> str:
        self.decoded += 1
        most = 24 + 2 * len(self._whisper.text_ids(self.clean)) if self.decoded > 1 else None
        return generate_prompted(self._whisper, prompt, states=self._states, most_tokens=most)

    def leads(self, prompts: Sequence[str]) -> list[float]:
        """The largest lead, in logits, of a token that would write another word over the clean transcript's own."""
        said = self._whisper.text_ids(self.clean)
        wanted = [*said, self._whisper.eot]
        rows = [[*prompt_ids(self._whisper, prompt), *self._whisper.prompt, *said] for prompt in prompts]
        leads = [0.0] * len(prompts)
        same = self._same_word(wanted)
        by_width = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        for width in sorted({len(row) for row in rows}):
            places = [place for place in by_width if len(rows[place]) == width]
            for start in range(0, len(places), BATCH):
                part = places[start : start + BATCH]
                for place, lead in zip(part, self._lead([rows[place] for place in part], wanted, same), strict=True):
                    leads[place] = lead
        return leads

    def _lead(self, rows: list[list[int]], wanted: list[int], same: Tensor) -> list[float]:
        ids = torch.tensor(rows, device=self._whisper.device)
        own = torch.tensor(wanted, device=self._whisper.device).expand(len(rows), -1)[..., None]
        with torch.no_grad():
            logits = self._whisper.plain_rules(decode(self._whisper.network, self._states, ids, ids.shape[1] - len(wanted)))
            others = logits.masked_fill(same, float("-inf")).amax(dim=2)
            lead: list[float] = (others - logits.gather(2, own)[..., 0]).amax(dim=1).tolist()
        return lead

    def _same_word(self, wanted: list[int]) -> Tensor:
        """Bool (tokens, vocabulary): tokens that differ from the one wanted in case, space or punctuation alone."""
        key = _spellings(self._whisper, self._whisper.network.config.vocab_size)
        return torch.tensor([[other in (key[token], "") for other in key] for token in wanted], device=self._whisper.device)


@lru_cache(maxsize=2)
def _spellings(model: WhisperModel, vocabulary: int) -> tuple[str, ...]:
    """Each token's letters and digits in lower case; the end of the text has a key of its own."""
    keys = ["".join(filter(str.isalnum, model.words([token]).lower())) for token in range(vocabulary)]
    keys[model.eot] = "<end>"
    return tuple(keys)


def open_clip(victim: Victim, waveform: Tensor, kind: PromptKind) -> PromptedClip:
    """The clip as its victim can be searched; raises AttackError where it takes no prompt."""
    if isinstance(victim, WhisperVictim):
        return WhisperClip(victim, waveform, kind)
    return PromptedClip(victim, waveform, kind)


def changed(clean: str, heard: str, language: str = "en") -> bool:
    """Whether two transcripts differ after normalisation; case and punctuation alone do not count."""
    return normalize(clean, language) != normalize(heard, language)


def capped_wer(clean: str, heard: str, language: str = "en") -> float:
    """Word error rate of ``heard`` against ``clean``, 0 to 1: what repeats itself without end counts no more than all words."""
    said, now = normalize(clean, language), normalize(heard, language)
    return min(1.0, word_errors(said, now).wer) if said else float(bool(now))


def search_prompt(clip: PromptedClip, *, max_chars: int = 20, max_decodes: int = 24, rounds: int = 3, seed: int = 0) -> Found:
    """A prompt of at most ``max_chars`` characters that changes what is heard in one clip; ``""`` where none was found.

    The likeliest of all candidates are decoded first. When none changes a word, the likeliest are mutated letter by letter, and
    so on; of what a round finds, the prompt that changes most is kept, and one that makes the victim repeat itself only where
    there is no other.

    Args:
        clip: see :func:`open_clip`.
        max_chars: longest prompt.
        max_decodes: most transcripts made of the clip, that without a prompt included.
        rounds: of mutation.
        seed: of the mutations.
    """
    rng = np.random.default_rng(seed)
    language = clip.victim.language
    known: dict[str, float] = {}
    tried: set[str] = set()
    best, most = Found("", clip.clean, clip.decoded), (False, 0.0)
    pool = candidates(clip.clean, max_chars)
    for _ in range(rounds + 1):
        fresh = [prompt for prompt in dict.fromkeys(pool) if prompt not in known]
        known |= dict(zip(fresh, clip.leads(fresh), strict=True)) if fresh else {}
        ranked = sorted(known, key=lambda prompt: -known[prompt])
        for prompt in [prompt for prompt in ranked if prompt not in tried][:KEEP]:
            if clip.decoded >= max_decodes:
                return Found(best.prompt, best.heard, clip.decoded)
            tried.add(prompt)
            heard = clip.hear(prompt)
            size = (not loops(normalize(heard, language)), capped_wer(clip.clean, heard, language))
            if changed(clip.clean, heard, language) and (not best.prompt or size > most):
                best, most = Found(prompt, heard, clip.decoded), size
        if best.prompt:
            break
        pool = [mutated(prompt, max_chars, rng) for prompt in ranked[:LEADERS] for _ in range(LEADERS)]
    return Found(best.prompt, best.heard, clip.decoded)


def best_fixed(clips: Sequence[PromptedClip], prompts: Sequence[str], most: int = 3) -> str | None:
    """The one prompt for all ``clips``: of ``prompts`` the one that changes most; only the ``most`` likeliest are decoded."""
    distinct = [prompt for prompt in dict.fromkeys(prompts) if prompt]
    if not distinct:
        return None
    leads = np.array([clip.leads(distinct) for clip in clips])
    order = np.argsort(-(leads > 0).mean(axis=0), kind="stable")[:most].tolist()

    def harm(index: int) -> tuple[int, float]:
        pairs = [(clip.clean, clip.hear(distinct[index])) for clip in clips]
        return sum(changed(*pair) for pair in pairs), sum(capped_wer(*pair) for pair in pairs)

    best: int = max(order, key=harm)
    return distinct[best]
