"""The CTC family: one differentiable code path for wav2vec2, HuBERT, WavLM, torchaudio bundles and one's own modules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from voiceattack.audio.clips import SAMPLE_RATE, Batch
from voiceattack.errors import AttackError, AudioError, TargetError, VictimError
from voiceattack.victims.base import AttackLoss, DifferentiableVictim, LossConfig, Transcript
from voiceattack.victims.ctc.vocabulary import Vocabulary, align, edit_distance, frames_needed

__all__ = ["CTCVictim", "Emissions"]

Emissions = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Waveforms float (batch, samples), lengths int64 (batch,) to logits float (batch, frames, vocabulary), frames int64 (batch,)."""


class CTCVictim(DifferentiableVictim):
    """A recogniser with a CTC head, heard greedily.

    Args:
        emissions: the model, differentiable with respect to the waveforms; see :data:`Emissions`.
        vocabulary: what its outputs write.
        device: where the model lives.
        batched: whether a padded batch gives each clip what it gets alone. If not, clips are run one at a time, unpadded:
            the ordinary way of models that were trained without an attention mask.
        min_samples: the shortest clip that gives one frame.
        decode: per-frame token ids to text; None takes the vocabulary's own.
        facts: JSON-safe facts for run.json.
    """

    mute_text = ""

    def __init__(
        self,
        emissions: Emissions,
        vocabulary: Vocabulary,
        device: torch.device,
        *,
        batched: bool = False,
        min_samples: int = 1,
        decode: Callable[[list[int]], str] | None = None,
        facts: dict[str, Any] | None = None,
    ) -> None:
        self._emissions = emissions
        self.vocabulary = vocabulary
        self._device = device
        self.batched = batched
        self.min_samples = min_samples
        self._decode = decode or vocabulary.decode
        self._facts = facts or {}

    @property
    def device(self) -> torch.device:
        return self._device

    def describe(self) -> dict[str, Any]:
        return {
            **super().describe(),
            "family": "ctc",
            "device": str(self.device),
            "vocabulary": len(self.vocabulary.tokens),
            **self._facts,
        }

    def check_length(self, seconds: float, name: str) -> None:
        super().check_length(seconds, name)
        samples = round(seconds * SAMPLE_RATE)
        if samples < self.min_samples:
            raise AudioError(
                f"{name}: {samples} samples are fewer than the {self.min_samples} victim {self.spec!r} needs; use a longer clip"
            )

    def logits(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits float (batch, frames, vocabulary), zero where padded, and frames int64 (batch,), both on the victim's device.

        Raises:
            AudioError: a clip is too short to hear.
            VictimError: the model's output has the wrong shape.
        """
        for row, length in enumerate(batch.lengths.tolist()):
            self.check_length(length / batch.sample_rate, f"clip {row + 1} of the batch")
        lengths = batch.lengths.to(self.device)
        # The mask keeps gradients out of the padding even if a caller's search would write there.
        waveforms = (batch.waveforms * batch.mask()).to(self.device, torch.float32)
        if self.batched:
            return self._checked(*self._emissions(waveforms, lengths), len(batch))
        rows, frames = [], []
        for row, length in enumerate(batch.lengths.tolist()):
            logits, count = self._checked(*self._emissions(waveforms[row : row + 1, :length], lengths[row : row + 1]), 1)
            rows.append(logits[0])
            frames.append(count)
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), torch.cat(frames)

    def _checked(self, logits: Tensor, frames: Tensor, batch: int) -> tuple[Tensor, Tensor]:
        expected = len(self.vocabulary.tokens)
        if logits.ndim != 3 or logits.shape[0] != batch or logits.shape[2] != expected:
            raise VictimError(
                f"victim {self.spec!r}: CTC logits have shape {tuple(logits.shape)}, expected ({batch}, frames, {expected}): "
                "(batch, frames, vocabulary); check the vocabulary and the order of the axes"
            )
        return logits.float(), frames.to(logits.device, torch.int64)

    def transcribe(self, batch: Batch) -> list[Transcript]:
        with torch.no_grad():
            logits, frames = self.logits(batch)
        paths = logits.argmax(dim=-1).cpu()
        return [Transcript(self._decode(path[:count].tolist())) for path, count in zip(paths, frames.tolist(), strict=True)]

    def check_target(self, text: str) -> None:
        if not self.vocabulary.encode(text):
            raise TargetError(f"target {text!r} has no tokens for victim {self.spec!r}; give at least one word")

    def _scored(self, batch: Batch, texts: Sequence[str]) -> tuple[Tensor, Tensor, list[list[int]]]:
        """Log-probabilities (batch, frames, vocabulary) and frames (batch,), both on the CPU, and the texts' tokens.

        On the CPU, because CUDA's CTC gradient differs from run to run and the alignment is searched there anyway.

        Raises:
            AttackError: a clip has too few frames to spell its text.
        """
        ids = [self.vocabulary.encode(text) for text in texts]
        logits, frames = self.logits(batch)
        for row, (wanted, count) in enumerate(zip(ids, frames.tolist(), strict=True)):
            if frames_needed(wanted) > count:
                seconds = int(batch.lengths[row]) / batch.sample_rate
                raise AttackError(
                    f"text {texts[row]!r} needs {frames_needed(wanted)} frames, clip {row + 1} of the batch ({seconds:.2f} s) "
                    f"has {count} for victim {self.spec!r}; shorten the text or use a longer clip"
                )
        return logits.log_softmax(dim=-1).cpu(), frames.cpu(), ids

    def loss(self, batch: Batch, texts: Sequence[str]) -> Tensor:
        log_probs, frames, ids = self._scored(batch, texts)
        return self._nll(log_probs, frames, ids).to(self.device)

    def _nll(self, log_probs: Tensor, frames: Tensor, ids: list[list[int]]) -> Tensor:
        """Negative log-likelihood summed over all alignments, float (batch,), in nats."""
        width = max(1, *(len(row) for row in ids))
        # Any token but the blank fills the places that target_lengths hides.
        targets = torch.full((len(ids), width), 0 if self.vocabulary.blank else 1, dtype=torch.int64)
        for row, wanted in zip(targets, ids, strict=True):
            row[: len(wanted)] = torch.tensor(wanted, dtype=torch.int64)
        counts = torch.tensor([len(row) for row in ids], dtype=torch.int64)
        return torch.nn.functional.ctc_loss(
            log_probs.transpose(0, 1),
            targets,
            frames,
            counts,
            blank=self.vocabulary.blank,
            reduction="none",
        )

    def attack_loss(self, batch: Batch, texts: Sequence[str], config: LossConfig) -> AttackLoss:
        """As the base class says; every frame, blanks too, counts as a token along an alignment.

        ``ce``: CTC negative log-likelihood per token of the text; a cap saturates each frame.
        ``margin`` away: along the likeliest alignment, mean over frames.
        ``margin`` toward: as Carlini & Wagner (2018), the CTC loss until the greedy path spells the text, from then on the
        margin summed along the likeliest alignment, for head-room. (Far from the text, no alignment is likely enough to
        follow: the margin alone cost 5 dB on a small wav2vec2.)

        Raises:
            AttackError: ``config.kind`` is one of the decoders' own.
        """
        if config.kind not in ("ce", "margin"):
            raise AttackError(
                f"loss {config.kind!r} is for encoder-decoder victims; victim {self.spec!r} is CTC: it has no end-of-text, and "
                "its 'ce' is the likelihood of the whole sequence already; use loss='ce' or 'margin'"
            )
        log_probs, frames, ids = self._scored(batch, texts)
        matches, distance = self._compare(log_probs, frames, ids)
        counts = torch.tensor([max(1, len(row)) for row in ids])
        if config.direction == "toward":
            loss = self._nll(log_probs, frames, ids) / counts
            if config.kind == "margin" and bool(matches.any()):
                rows = matches.nonzero().squeeze(1)
                lead, inside = self._lead(log_probs[rows], frames[rows], [ids[row] for row in rows.tolist()])
                loss = loss.index_put((rows,), (torch.relu(config.confidence - lead) * inside).sum(dim=1))
        elif config.kind == "ce":
            loss = -self._saturating_nll(log_probs, frames, ids, config.cap) / counts
        else:
            lead, inside = self._lead(log_probs, frames, ids)
            floor = -config.cap if config.cap is not None else float("-inf")
            loss = (lead.clamp(min=floor) * inside).sum(dim=1) / frames
        return AttackLoss(loss, matches, distance)

    def _saturating_nll(self, log_probs: Tensor, frames: Tensor, ids: list[list[int]], cap: float | None) -> Tensor:
        """CTC loss over emissions no less likely than exp(-cap): a frame already lost takes no more of the budget."""
        if cap is None:
            return self._nll(log_probs, frames, ids)
        with torch.enable_grad():  # the posterior is wanted even where the caller asks for the value alone
            clamped = log_probs.detach().clamp(min=-cap).requires_grad_(True)
            value = self._nll(clamped, frames, ids)
            # torch's CTC gradient is p - posterior, right only under a log-softmax; clamped emissions need the posterior alone.
            (gradient,) = torch.autograd.grad(value.sum(), clamped)
        posterior = (clamped.detach().exp() - gradient) * (log_probs.detach() > -cap)
        surrogate = -(posterior * log_probs).sum(dim=(1, 2))
        return surrogate - surrogate.detach() + value.detach()

    def _lead(self, log_probs: Tensor, frames: Tensor, ids: list[list[int]]) -> tuple[Tensor, Tensor]:
        """Along the likeliest alignment: logit of the wanted token less the best other, (batch, frames), and where frames are."""
        index = self._alignment(log_probs, frames, ids).unsqueeze(-1)
        wanted, others = log_probs.gather(-1, index).squeeze(-1), log_probs.scatter(-1, index, float("-inf")).amax(dim=-1)
        return wanted - others, torch.arange(log_probs.shape[1])[None, :] < frames[:, None]

    def _alignment(self, log_probs: Tensor, frames: Tensor, ids: list[list[int]]) -> Tensor:
        """Token wanted of each frame, int64 (batch, frames), blank in the padding."""
        scores = log_probs.detach().cpu().numpy()
        wanted = torch.full(log_probs.shape[:2], self.vocabulary.blank, dtype=torch.int64)
        for row, count in enumerate(frames.tolist()):
            wanted[row, :count] = torch.from_numpy(align(scores[row, :count], ids[row], self.vocabulary.blank))
        return wanted

    def _compare(self, log_probs: Tensor, frames: Tensor, ids: list[list[int]]) -> tuple[Tensor, Tensor]:
        """Greedy path against the texts: bool (batch,) equal, float (batch,) share of tokens that differ, in [0, 1]."""
        paths = log_probs.detach().argmax(dim=-1).cpu()
        shares = []
        for path, count, wanted in zip(paths, frames.tolist(), ids, strict=True):
            heard = self.vocabulary.trimmed(self.vocabulary.collapse(path[:count].tolist()))
            target = self.vocabulary.trimmed(wanted)
            shares.append(edit_distance(heard, target) / max(1, len(heard), len(target)))
        distance = torch.tensor(shares)
        return distance == 0, distance
