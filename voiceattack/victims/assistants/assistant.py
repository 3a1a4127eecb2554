"""``assistant:home?asr=SPEC&wake=SPEC&entities=FILE``: wake word, recogniser and intents as one victim that acts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from voiceattack.audio.clips import Batch
from voiceattack.errors import AttackError, SpecError
from voiceattack.victims.assistants.intents import load as load_intents
from voiceattack.victims.base import AttackLoss, DifferentiableVictim, LossConfig, LossSession, Transcript, Victim
from voiceattack.victims.intent import Intent
from voiceattack.victims.specs import DEFAULT_ASR
from voiceattack.victims.wrappers.base import VictimWrapper

__all__ = ["ASLEEP", "AssistantVictim", "load"]

SHORTEST = 1600  # samples: of less than 0.1 s nothing is heard
ASLEEP = -10_000.0
"""Added to the detector's score to make that of a clip in which the wake word is not heard: under that of any clip that wakes."""


class AssistantVictim(VictimWrapper):
    """Hears as its recogniser does, and acts as its intents say; with a wake word, hears only what follows that.

    As in a voice assistant's pipeline the recogniser listens from the moment at which the detector answers, which is a little
    after the end of the phrase; where that is not heard, nothing is. A detector that does not tell the moment
    (``details["seconds"]``) opens the whole clip. ``details`` has ``action``, the action in words, and with a wake word
    ``seconds``, when it began to listen, None where it never did.

    A recogniser's scores and losses are lent to attacks. With a wake word they are of what follows it in the clip at hand.
    Gradients then reach only what follows, so that a search by gradients leaves the phrase as it is; a detector knows no future,
    so that it answers at the same moment. A search over a clip that does not wake is refused: the detector gives no gradients.

    Args:
        asr: the recogniser.
        interpreter: what acts on its text.
        wake: the detector that must hear its phrase first, or None.
    """

    inner: DifferentiableVictim
    """The recogniser; what ``capabilities`` says it has of that."""
    transcribe_prompted = None  # the pipeline of an assistant gives its recogniser no prompt
    check_length = Victim.check_length  # in the assistant's own name

    def __init__(self, asr: Victim, interpreter: Victim, wake: Victim | None = None) -> None:
        super().__init__(asr)
        self.asr, self.interpreter, self.wake = asr, interpreter, wake
        self.capabilities = asr.capabilities | {"acts"}  # type: ignore[misc]
        self.spec = Victim.spec  # not the recogniser's
        self.commands = interpreter.commands

    def interpret(self, text: str) -> Intent:
        """The action of one sentence."""
        return self.interpreter.interpret(text)

    def confidences(self, text: str) -> dict[str, float] | None:
        return self.interpreter.confidences(text)

    def starts(self, batch: Batch) -> list[int | None]:
        """The sample from which the recogniser hears each clip, None where it hears nothing; 0 without a wake word."""
        return [0] * len(batch) if self.wake is None else self._starts(batch, self.wake.transcribe(batch))

    @staticmethod
    def _starts(batch: Batch, woken: Sequence[Transcript]) -> list[int | None]:
        found: list[int | None] = []
        for transcript, length in zip(woken, batch.lengths.tolist(), strict=True):
            start = round(float(transcript.details.get("seconds", 0.0)) * batch.sample_rate)
            found.append(start if transcript.text and length - start >= SHORTEST else None)
        return found

    def transcribe(self, batch: Batch) -> list[Transcript]:
        woken = [] if self.wake is None else self.wake.transcribe(batch)
        starts = self._starts(batch, woken) if self.wake is not None else self.starts(batch)
        awake = [row for row, start in enumerate(starts) if start is not None]
        heard = dict(zip(awake, self.asr.transcribe(_cut(batch, awake, starts)), strict=True)) if awake else {}
        found = []
        for row, start in enumerate(starts):
            transcript = heard.get(row, Transcript(""))
            details = {**transcript.details, "action": str(self.interpret(transcript.text))}
            if self.wake is not None:
                details["seconds"] = None if start is None else start / batch.sample_rate
                details["wake_ups"] = woken[row].details.get("wake_ups", int(bool(woken[row].text)))
            found.append(Transcript(transcript.text, details))
        return found

    def describe(self) -> dict[str, Any]:
        parts = {"asr": self.asr, "intents": self.interpreter, **({} if self.wake is None else {"wake": self.wake})}
        return {**Victim.describe(self), **{name: part.describe() for name, part in parts.items()}}

    def _following(self, batch: Batch) -> Batch:
        return _cut(batch, range(len(batch)), self.starts(batch))

    def score(self, batch: Batch, texts: Sequence[str]) -> Tensor:
        """Float (batch,): the log-likelihood of ``texts`` in what follows the wake word, for clips that wake.

        A clip that does not wake has :data:`ASLEEP` and the detector's own score, where it has one. So a search toward a text
        wakes it first and never puts it to sleep again, and a search away from the text is best off with silence.
        """
        if self.wake is None:
            return self.asr.score(batch, texts)
        starts = self.starts(batch)
        values = self.asr.score(_cut(batch, range(len(batch)), starts), texts)
        asleep = torch.tensor([start is None for start in starts], device=values.device)
        if not bool(asleep.any()):
            return values
        nearness = self.wake.score(batch, texts) if "scores" in self.wake.capabilities else torch.zeros(len(batch))
        return torch.where(asleep, ASLEEP + nearness.to(values), values)

    def loss(self, batch: Batch, texts: Sequence[str]) -> Tensor:
        """The recogniser's loss of what follows the wake word; of the whole clip where that is not heard."""
        return self.inner.loss(self._following(batch), texts)

    def attack_loss(self, batch: Batch, texts: Sequence[str], config: LossConfig) -> AttackLoss:
        """The recogniser's attack loss, likewise."""
        return self.inner.attack_loss(self._following(batch), texts, config)

    def search(self, clean: Batch) -> LossSession:
        """Losses of what follows the wake word in the clean clips.

        Raises:
            AttackError: one of them does not wake.
        """
        return self.inner.search(clean) if self.wake is None else _SessionAfterWake(self, clean)

    def forward_backward(self, batch: Batch, texts: Sequence[str]) -> None:
        """One bare pass over what follows the wake word."""
        self.inner.forward_backward(self._following(batch), texts)


class _SessionAfterWake(LossSession):
    """The recogniser's losses of the clips from the moment at which they wake when clean."""

    def __init__(self, victim: AssistantVictim, clean: Batch) -> None:
        super().__init__(victim.inner, clean)
        self.starts = victim.starts(clean)
        if None in self.starts:
            raise AttackError(
                "in the clean clip the wake word is not heard, or nothing follows it, and its detector gives no gradients; "
                "give a clip that begins with the phrase, leave wake= out, or use an attack on scores: random-search"
            )
        self.following = _cut(clean, range(len(clean)), self.starts)
        self.part = victim.inner.search(self.following)

    def attack_loss(self, waveforms: Tensor, rows: Sequence[int], texts: Sequence[str], config: LossConfig) -> AttackLoss:
        perturbed = self.clean.select(rows).replace(waveforms)
        following = _cut(perturbed, range(len(rows)), [self.starts[row] for row in rows])
        missing = self.following.waveforms.shape[1] - following.waveforms.shape[1]
        padded = torch.nn.functional.pad(following.waveforms, (0, missing))
        return self.part.attack_loss(padded, rows, texts, config)

    def stale(self) -> None:
        self.part.stale()


def _cut(batch: Batch, rows: Sequence[int], starts: Sequence[int | None]) -> Batch:
    """The clips at ``rows`` from their starts on (from 0 for None), differentiable; the batch itself when nothing is cut."""
    begin = [starts[row] or 0 for row in rows]
    if not any(begin) and list(rows) == list(range(len(batch))):
        return batch
    clips = list(batch.clips())
    kept = [clips[row][start:] for row, start in zip(rows, begin, strict=True)]
    waveforms = torch.nn.utils.rnn.pad_sequence(kept, batch_first=True)
    return Batch(waveforms, torch.tensor([len(clip) for clip in kept], dtype=torch.int64), batch.sample_rate)


def load(rest: str, options: dict[str, str], device: torch.device, load_one: Callable[[str, str], Victim]) -> AssistantVictim:
    """The assistant of ``home`` or of a folder of sentences; ``asr`` is ``whisper-tiny.en`` unless named.

    Raises:
        SpecError: the recogniser hears nothing; MissingExtraError, VictimError as its parts do.
    """
    spec = options.get("asr", DEFAULT_ASR)
    asr = load_one(spec, str(device))
    if "hears" not in asr.capabilities:
        raise SpecError(f"assistant: asr={spec} hears nothing; name a recogniser")
    interpreter = load_intents(rest, {name: options[name] for name in ("entities", "language") if name in options}, device)
    interpreter.spec = f"intents:{rest}"
    wake = load_one(options["wake"], str(device)) if "wake" in options else None
    return AssistantVictim(asr, interpreter, wake)
