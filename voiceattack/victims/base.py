"""What a victim is: the system under test, offering as much as it honestly can."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeGuard

import torch
from torch import Tensor

from voiceattack.audio.clips import SAMPLE_RATE, Batch
from voiceattack.errors import AttackError, AudioError, VictimError
from voiceattack.unicode_text import storable
from voiceattack.victims.intent import Intent

__all__ = [
    "LOSSES",
    "AttackLoss",
    "DifferentiableVictim",
    "LossConfig",
    "LossKind",
    "LossSession",
    "Transcript",
    "Victim",
    "differentiates",
]

LossKind = Literal["ce", "margin", "eot", "sequence"]
"""See :class:`LossConfig`."""
LOSSES = "ce: cross-entropy; margin: the wanted token's lead; Whisper also sequence and eot"


@dataclass(frozen=True)
class Transcript:
    """What a victim heard in one clip. ``text`` is raw, exactly as the victim wrote it but for lone surrogates, which are no
    text and become U+FFFD; ``details`` is JSON-safe.

    A victim that hears in several ways at once gives them all in ``details["hypotheses"]``, a dict of label to raw text; an
    attack on it has then succeeded only if it succeeds in each. ``action`` is what a victim did that acts on the clip itself, and
    None where ``interpret`` says what it does with the text. ``remembered`` says that the victim was not asked: the answer came
    out of a cache, and has no time of its own.

    A victim that writes tokens says in ``details["tokens"]`` how many of text it wrote, the end not counted; one that hears in
    several ways, the fewest. ``details["most_tokens"]`` is the most that it writes of a clip.
    """

    text: str
    details: dict[str, Any] = field(default_factory=dict)
    action: Intent | None = None
    remembered: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        # Here, where all victims pass: a server's JSON may hold what neither a file nor a terminal takes.
        object.__setattr__(self, "text", storable(self.text))

    @property
    def hypotheses(self) -> list[str]:
        """Every raw text heard: one, or one for each way of hearing."""
        heard = self.details.get("hypotheses")
        return list(heard.values()) if isinstance(heard, dict) and heard else [self.text]

    @property
    def tokens(self) -> int | None:
        """How many tokens of text the victim wrote, >= 0; None where it does not tell."""
        told = self.details.get("tokens")
        return told if isinstance(told, int) and not isinstance(told, bool) and told >= 0 else None

    @property
    def most_tokens(self) -> int | None:
        """How many it could have written, > 0; None where the victim does not tell."""
        told = self.details.get("most_tokens")
        return told if isinstance(told, int) and not isinstance(told, bool) and told > 0 else None


class Victim(ABC):
    """A system under test: what any victim may offer.

    ``capabilities`` says which of it a victim has, and is what everyone asks: it ``"hears"`` (:meth:`transcribe`), ``"scores"``
    (:meth:`score`), ``"acts"`` (:meth:`interpret`) or ``"differentiates"`` (:class:`DifferentiableVictim`).

    Attributes:
        capabilities: see above.
        spec: the spec string that names it, the same in Python, CLI, YAML and reports.
        sample_rate: Hz of the audio it is given; batches always come at 16 kHz, the victim resamples inside if it must.
        max_seconds: longest clip it accepts, None for no limit.
        mute_text: the text to aim at so that the normalised hypothesis is empty.
        language: code of the speech it expects, as :func:`voiceattack.languages.language_code` gives it.
        costly: whether it is a server or a program outside this process, whose answers are worth keeping; see
            :mod:`voiceattack.victims.wrappers.cache`.
        hallucinations: raw texts that it is known to write when nothing is said, the easiest first; empty if none are known.
        commands: texts that it may act on, of which ``wrong-action`` picks one to aim at; empty if none are known.
        asked_device: the device that the user asked for, None for whatever is there; for models that an attack loads beside it.
    """

    capabilities: ClassVar[frozenset[str]] = frozenset({"hears"})
    spec: str = ""
    sample_rate: int = SAMPLE_RATE
    max_seconds: float | None = None
    mute_text: str = ""
    language: str = "en"
    costly: bool = False
    hallucinations: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    asked_device: str | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Somebody's own victim that interprets acts, though it may not say so."""
        super().__init_subclass__(**kwargs)
        given: object = cls.capabilities  # a wrapper's are those of the victim inside, and no set here
        if isinstance(given, (set, frozenset)) and callable(cls.interpret) and cls.interpret is not Victim.interpret:
            cls.capabilities = frozenset({*given, "acts"})

    @abstractmethod
    def transcribe(self, batch: Batch) -> list[Transcript]:
        """Hear a batch through the victim's ordinary inference path: one Transcript a clip, in order."""

    def score(self, batch: Batch, texts: Sequence[str]) -> Tensor:
        """Log-likelihood of ``texts``, float (batch,), without gradients: higher is more likely. For victims that score.

        Raises:
            VictimError: this one does not.
        """
        raise VictimError(f"victim {self.spec!r} gives no scores")

    def interpret(self, text: str) -> Intent:
        """What it does with one text, empty for nothing. For victims that act.

        Raises:
            VictimError: this one does not.
        """
        raise VictimError(f"victim {self.spec!r} reads no text; for actions name assistant:home?asr=SPEC or intents:home")

    def confidences(self, text: str) -> dict[str, float] | None:
        """How sure a victim that acts is of each label for ``text``, in [0, 1]; None where it does not tell."""
        return None

    def check_length(self, seconds: float, name: str) -> None:
        """Refuse a clip longer than the victim's window.

        Raises:
            AudioError: the clip is too long.
        """
        if self.max_seconds is not None and seconds > self.max_seconds:
            raise AudioError(
                f"{name}: {seconds:.1f} s is longer than the {self.max_seconds:g} s that victim {self.spec!r} takes; "
                "cut it into shorter clips"
            )

    def describe(self) -> dict[str, Any]:
        """JSON-safe facts for run.json (model, digest, device)."""
        return {"spec": self.spec, "capabilities": sorted(self.capabilities)}


@dataclass(frozen=True)
class LossConfig:
    """The loss an attack wants from a differentiable victim.

    Attributes:
        direction: ``"away"`` from the texts (untargeted) or ``"toward"`` them (targeted, mute).
        kind: ``"ce"``, cross-entropy (CTC: negative log-likelihood per token), or ``"margin"``, the logit of the
            wanted token against the best other (Carlini & Wagner 2017's f6, per token). CTC victims take the margin
            along the most likely alignment. Encoder-decoder victims have two more: ``"sequence"``, the negative
            log-likelihood of the whole text, which saturates as a whole, and ``"eot"``, end-of-text: "away" makes the
            decoder stop within the first places at which it may, "toward" right after the text.
        cap: saturation per token, in nats for ``ce`` and in logits for ``margin`` ("away" only): a token already lost
            by this much takes no more of the budget. ``sequence`` saturates at this times the number of its tokens,
            ``eot`` does not.
        confidence: head-room in logits that a ``margin`` "toward" asks of every token.
        headroom: head-room in logits without which the cheap check "toward" does not pass either (seq2seq victims).
    """

    direction: Literal["away", "toward"]
    kind: LossKind = "ce"
    cap: float | None = None
    confidence: float = 0.0
    headroom: float = 0.0


@dataclass
class AttackLoss:
    """Result of :meth:`DifferentiableVictim.attack_loss`.

    Attributes:
        loss: float (batch,), to be *minimised* by the attacker, differentiable with respect to the waveforms.
        matches: bool (batch,), the cheap check: the teacher-forced argmax (CTC: the greedy path) says exactly the texts.
            None when the victim has no cheap check.
        distance: float (batch,) in [0, 1], share of tokens that differ from the texts in the cheap check; None likewise.
    """

    loss: Tensor
    matches: Tensor | None = None
    distance: Tensor | None = None

    @classmethod
    def of_rows(cls, parts: Sequence[tuple[Sequence[int], AttackLoss]]) -> AttackLoss:
        """The parts of one batch, each with the rows that it is of, in the batch's order again."""
        order = torch.tensor([row for rows, _ in parts for row in rows]).argsort()

        def joined(values: Sequence[Tensor | None]) -> Tensor | None:
            known = [value for value in values if value is not None]
            return torch.cat(known)[order.to(known[0].device)] if len(known) == len(values) else None

        loss = joined([part.loss for _, part in parts])
        assert loss is not None
        return cls(loss, joined([part.matches for _, part in parts]), joined([part.distance for _, part in parts]))

    @classmethod
    def together(cls, parts: Sequence[AttackLoss], toward: bool) -> AttackLoss:
        """Several hearings of one batch as one: the mean loss; toward a text all must match, away from it none may."""
        loss = torch.stack([part.loss for part in parts]).mean(dim=0)
        matches = [part.matches for part in parts if part.matches is not None]
        distances = [part.distance for part in parts if part.distance is not None]
        if len(matches) < len(parts) or len(distances) < len(parts):
            return cls(loss)
        stacked = torch.stack(matches)
        return cls(loss, stacked.all(dim=0) if toward else stacked.any(dim=0), torch.stack(distances).mean(dim=0))


class DifferentiableVictim(Victim):
    """A PyTorch victim: losses with gradients to the waveform."""

    capabilities: ClassVar[frozenset[str]] = frozenset({"hears", "scores", "differentiates"})

    @property
    def writes_on(self) -> bool:
        """Whether its sessions know :meth:`LossSession.writing_loss`, which objective ``slow`` needs."""
        return False

    @property
    def device(self) -> torch.device:
        """Where the model's parameters live."""
        return torch.device("cpu")

    @property
    def token_losses(self) -> bool:
        """Whether :meth:`attack_loss` knows single tokens, so that a margin may be asked for; a loss of one's own does not."""
        return type(self).attack_loss is not DifferentiableVictim.attack_loss

    @abstractmethod
    def loss(self, batch: Batch, texts: Sequence[str]) -> Tensor:
        """Negative log-likelihood of ``texts``, float (batch,), >= 0, differentiable with respect to ``batch.waveforms``."""

    def score(self, batch: Batch, texts: Sequence[str]) -> Tensor:
        with torch.no_grad():
            return -self.loss(batch, texts)

    def attack_loss(self, batch: Batch, texts: Sequence[str], config: LossConfig) -> AttackLoss:
        """The loss that an attack minimises; families override it to add the margin and the cheap check.

        Raises:
            AttackError: this victim has only its own loss and ``config.kind`` is not ``"ce"``.
        """
        if config.kind != "ce":
            raise AttackError(f"victim {self.spec!r} offers its own loss only, no per-token logits; use loss='ce'")
        value = self.loss(batch, texts)
        if config.direction == "away":
            if config.cap is not None:
                # A victim's own loss has no tokens to saturate one by one; characters stand for them.
                characters = torch.tensor([max(1, len(text)) for text in texts], device=value.device)
                value = torch.minimum(value, config.cap * characters)
            value = -value
        return AttackLoss(value)

    def search(self, clean: Batch) -> LossSession:
        """What a search on the clips of ``clean`` asks for its losses; families override it to remember what repeats."""
        return LossSession(self, clean)

    def check_target(self, text: str) -> None:
        """Refuse a target that this victim cannot say.

        Raises:
            TargetError: the text cannot be tokenised for this victim, or is too long.
        """

    def heard_as(self, batch: Batch, *, language: str | None = None, task: str | None = None) -> str | None:
        """What it writes of the one clip of ``batch``, raw, when told another language or task; None where it cannot be told."""
        return None

    def target_variants(self, text: str) -> list[str]:
        """Spellings of ``text`` that are equal after normalisation, the most natural for this victim first."""
        return [text]

    def forward_backward(self, batch: Batch, texts: Sequence[str]) -> None:
        """One bare forward and backward pass (used by benchmarks and by the time estimate of ``--dry-run``)."""
        waveforms = batch.waveforms.detach().clone().requires_grad_(True)
        loss = self.loss(Batch(waveforms, batch.lengths, batch.sample_rate), texts).sum()
        torch.autograd.grad(loss, waveforms)


def differentiates(victim: Victim) -> TypeGuard[DifferentiableVictim]:
    """Whether the victim has the capability of that name, said so that a type checker knows what it offers then."""
    return "differentiates" in victim.capabilities


class LossSession:
    """Attack losses of one batch, step after step; here nothing is remembered from one to the next.

    Args:
        victim: the victim.
        clean: the clips under attack.
    """

    def __init__(self, victim: DifferentiableVictim, clean: Batch) -> None:
        self.victim = victim
        self.clean = clean

    def attack_loss(self, waveforms: Tensor, rows: Sequence[int], texts: Sequence[str], config: LossConfig) -> AttackLoss:
        """:meth:`DifferentiableVictim.attack_loss` of perturbed clips.

        Args:
            waveforms: float (len(rows), samples).
            rows: which clips of ``clean`` they are.
            texts: one a row.
            config: the loss wanted.
        """
        return self.victim.attack_loss(self.clean.select(rows).replace(waveforms), texts, config)

    def writing_loss(self, waveforms: Tensor, rows: Sequence[int]) -> AttackLoss:
        """What is to be minimised so that the victim writes on and on, without a cheap check; arguments as above.

        Raises:
            AttackError: this victim has no such loss; see :attr:`DifferentiableVictim.writes_on`.
        """
        raise AttackError(f"victim {self.victim.spec!r} has no end-of-text to hold down here, so objective slow has no loss")

    def stale(self) -> None:
        """Told when the cheap check and the ear disagreed: what is remembered is to be computed anew."""
