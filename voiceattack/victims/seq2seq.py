"""The Whisper family: one differentiable code path for the bundled weights and for Hugging Face models."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers.utils import logging as transformers_logging

from voiceattack.audio import Batch
from voiceattack.errors import TargetError, VictimError
from voiceattack.victims import seq2seq_losses
from voiceattack.victims.base import AttackLoss, DifferentiableVictim, LossConfig, Transcript
from voiceattack.victims.features import LogMel
from voiceattack.victims.seq2seq_losses import IGNORE

__all__ = ["WhisperVictim"]

WINDOW_SECONDS = 30.0


class WhisperVictim(DifferentiableVictim):
    """A Whisper-type encoder-decoder.

    Hearing is transformers' own ``generate`` (greedy, full 30 s window, the model's suppressed tokens); attacking uses the
    same weights teacher-forced, with the same tokens suppressed, so that the cheap check and the decoder agree.

    Args:
        model: a ``WhisperForConditionalGeneration`` whose ``generation_config`` is complete; put in eval mode and frozen.
        encode: text to token ids, without special tokens; the leading space is added by the caller.
        decode: token ids to text, special tokens skipped.
        prompt: decoder ids before the first word (start, and for multilingual models language and task, then no-timestamps).
        facts: JSON-safe facts for run.json.
    """

    max_seconds = WINDOW_SECONDS
    mute_text = "."

    def __init__(
        self,
        model: Any,
        encode: Callable[[str], list[int]],
        decode: Callable[[list[int]], str],
        prompt: Sequence[int],
        facts: dict[str, Any] | None = None,
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self._encode = encode
        self._decode = decode
        self.prompt = list(prompt)
        self._facts = facts or {}
        config = model.generation_config
        self.eot = int(config.eos_token_id if isinstance(config.eos_token_id, int) else config.eos_token_id[0])
        self.log_mel = LogMel(model.config.num_mel_bins, WINDOW_SECONDS).to(self.device)
        vocabulary = model.config.vocab_size
        self._suppressed = torch.zeros(vocabulary, dtype=torch.bool, device=self.device)
        self._suppressed[[token for token in config.suppress_tokens or [] if token < vocabulary]] = True
        # Timestamps never follow a no-timestamps prompt in ordinary decoding; generate() masks them through its processors.
        self._suppressed_first = self._suppressed.clone()
        self._suppressed_first[[token for token in config.begin_suppress_tokens or [] if token < vocabulary]] = True

    @property
    def device(self) -> torch.device:
        device: torch.device = next(iter(self.model.parameters())).device
        return device

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "family": "whisper", "device": str(self.device), **self._facts}

    def transcribe(self, batch: Batch) -> list[Transcript]:
        with torch.no_grad(), _quiet_transformers():
            features = self.log_mel(batch.waveforms.to(self.device, torch.float32))
            tokens = self.model.generate(input_features=features, **self._generate_options())
        return [Transcript(self._decode(row.tolist()).strip()) for row in tokens]

    def _generate_options(self) -> dict[str, Any]:
        return {"do_sample": False, "num_beams": 1}

    def text_ids(self, text: str) -> list[int]:
        """Token ids as the decoder would write ``text``: with a leading space, without special tokens."""
        stripped = text.strip()
        return self._encode(" " + stripped) if stripped and stripped != self.mute_text else self._encode(stripped)

    def check_target(self, text: str) -> None:
        ids = self.text_ids(text)
        if not ids:
            raise TargetError(f"target {text!r} has no tokens for victim {self.spec!r}; give at least one word")
        if len(ids) + len(self.prompt) >= self.model.config.max_target_positions:
            raise TargetError(
                f"target of {len(ids)} tokens is longer than the {self.model.config.max_target_positions} "
                f"that victim {self.spec!r} can say; shorten it"
            )
        said = self._decode(ids).strip()
        if "\ufffd" in said or said != text.strip():
            raise TargetError(
                f"target {text!r} cannot be tokenised by victim {self.spec!r} (it comes back as {said!r}); use other wording"
            )
        never = [token for place, token in enumerate(ids) if (self._suppressed_first if place == 0 else self._suppressed)[token]]
        if never:
            parts = ", ".join(repr(self._decode([token])) for token in never)
            raise TargetError(
                f"target {text!r} holds {parts}, which victim {self.spec!r} never says in ordinary decoding; use other wording"
            )

    def target_variants(self, text: str) -> list[str]:
        words = text.strip()
        sentence = words[:1].upper() + words[1:]
        ended = sentence if sentence[-1:] in ".?!" else sentence + "."
        return list(dict.fromkeys([ended, sentence, words]))

    def _teacher_forced(self, batch: Batch, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Logits float (batch, tokens, vocabulary), suppressed at -inf, and labels int64 (batch, tokens), -100 where padded."""
        rows = [self.text_ids(text) for text in texts]
        width = max(len(row) for row in rows) + 1
        labels = torch.full((len(rows), width), IGNORE, dtype=torch.int64)
        inputs = torch.full((len(rows), len(self.prompt) + width - 1), self.eot, dtype=torch.int64)
        for place, row in enumerate(rows):
            labels[place, : len(row)] = torch.tensor(row, dtype=torch.int64)
            labels[place, len(row)] = self.eot
            inputs[place, : len(self.prompt)] = torch.tensor(self.prompt)
            inputs[place, len(self.prompt) : len(self.prompt) + len(row)] = torch.tensor(row, dtype=torch.int64)
        # The mask keeps gradients out of the padding even if a caller's search would write there.
        waveforms = batch.waveforms.to(self.device) * batch.mask().to(self.device)
        output = self.model(input_features=self.log_mel(waveforms), decoder_input_ids=inputs.to(self.device), use_cache=False)
        logits = output.logits[:, len(self.prompt) - 1 :].float()
        banned = self._suppressed.expand(width, -1).clone()
        banned[0] = self._suppressed_first
        return logits.masked_fill(banned, float("-inf")), labels.to(self.device)

    def loss(self, batch: Batch, texts: Sequence[str]) -> Tensor:
        logits, labels = self._teacher_forced(batch, texts)
        return seq2seq_losses.cross_entropy(logits, labels).sum(dim=1)

    def attack_loss(self, batch: Batch, texts: Sequence[str], config: LossConfig) -> AttackLoss:
        return seq2seq_losses.attack_loss(*self._teacher_forced(batch, texts), config)

    @classmethod
    def from_pretrained(
        cls, name: str, device: torch.device, options: dict[str, str] | None = None, local_files_only: bool = True
    ) -> WhisperVictim:
        """A Hugging Face Whisper-type model from a local folder or the cache (safetensors only).

        Args:
            name: id on the hub, or a local folder.
            device: where the model goes.
            options: ``language`` (code, multilingual models only).
            local_files_only: never touch the network.

        Raises:
            VictimError: the folder is incomplete or the model is not of Whisper type.
        """
        from transformers import WhisperForConditionalGeneration, WhisperTokenizer

        options = dict(options or {})
        try:
            model = WhisperForConditionalGeneration.from_pretrained(name, local_files_only=local_files_only, use_safetensors=True)
            tokenizer = WhisperTokenizer.from_pretrained(name, local_files_only=local_files_only)
        except (OSError, ValueError) as error:
            raise VictimError(f"hf:{name}: cannot be loaded as a Whisper model: {str(error).splitlines()[0]}") from error
        prompt = [int(model.generation_config.decoder_start_token_id or model.config.decoder_start_token_id)]
        language = options.get("language", "en")
        multilingual = bool(getattr(model.generation_config, "is_multilingual", False))
        if multilingual:
            tokenizer.set_prefix_tokens(language=language, task="transcribe", predict_timestamps=False)
            prompt = list(tokenizer.prefix_tokens)
        else:
            quiet = getattr(model.generation_config, "no_timestamps_token_id", None)
            prompt += [int(quiet)] if quiet is not None else []
        victim = cls(
            model.to(device),
            lambda text: list(tokenizer.encode(text, add_special_tokens=False)),
            lambda ids: str(tokenizer.decode(ids, skip_special_tokens=True)),
            prompt,
            {"model": name, "multilingual": multilingual},
        )
        victim.language = language
        if multilingual:
            victim._generate_options = lambda: {"do_sample": False, "num_beams": 1, "language": language, "task": "transcribe"}  # type: ignore[method-assign]
        return victim


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Whisper's generate() warns at every call of how it sets its own defaults; nothing there is for the user to act on."""
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_verbosity(before)
