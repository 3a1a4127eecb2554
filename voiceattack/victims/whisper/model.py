"""A Whisper's weights as victims and searches use them: tokens, teacher forcing with the decoder's rules, losses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from voiceattack.audio.clips import Batch
from voiceattack.errors import VictimError
from voiceattack.victims.base import AttackLoss, LossConfig
from voiceattack.victims.seq2seq import losses as seq2seq_losses
from voiceattack.victims.seq2seq.forcing import forced
from voiceattack.victims.seq2seq.losses import IGNORE
from voiceattack.victims.whisper.frontends import PLAIN, DecodingMode, features
from voiceattack.victims.whisper.log_mel import LogMel
from voiceattack.victims.whisper.window import Context, decode, encode

__all__ = ["MUTE_TEXT", "WhisperModel"]

WINDOW_SECONDS = 30.0
MUTE_TEXT = "."
"""What Whisper writes of nothing: the text to aim at for a transcript without words."""


class WhisperModel:
    """The weights with what is needed around them.

    Losses are of the weights teacher-forced over one window of 30 s, with the tokens suppressed that ordinary decoding
    suppresses, so that the cheap check and the decoder agree.

    Args:
        network: a ``WhisperForConditionalGeneration`` whose ``generation_config`` is complete; put in eval mode and frozen.
        encode: text to token ids, without special tokens; the leading space is added by the caller.
        decode: token ids to text, special tokens skipped.
        prompt: decoder ids before the first word (start, and for multilingual models language and task, then no-timestamps).
        modes: the front ends and prompts it hears with; several make an ensemble of deployments.
        generate_options: what ``generate`` is told beside these, for multilingual models.

    Raises:
        VictimError: timestamps are asked of a model that has none.
    """

    def __init__(
        self,
        network: Any,
        encode: Callable[[str], list[int]],
        decode: Callable[[list[int]], str],
        prompt: Sequence[int],
        modes: Sequence[DecodingMode] = (PLAIN,),
        generate_options: dict[str, Any] | None = None,
    ) -> None:
        self.network = network.eval().requires_grad_(False)
        self._encode = encode
        self._decode = decode
        self.prompt = list(prompt)
        self.modes = tuple(modes)
        self.generate_options: dict[str, Any] = generate_options or {}
        config = network.generation_config
        quiet = getattr(config, "no_timestamps_token_id", None)
        self.first_stamp = None if quiet is None else int(quiet) + 1
        if self.first_stamp is None and any(mode.timestamps for mode in self.modes):
            raise VictimError("this model writes no timestamps (no no_timestamps_token_id); leave timestamps=on out")
        self.eot = int(config.eos_token_id if isinstance(config.eos_token_id, int) else config.eos_token_id[0])
        self.log_mel = LogMel(network.config.num_mel_bins, WINDOW_SECONDS).to(self.device)
        vocabulary = network.config.vocab_size
        self._suppressed = torch.zeros(vocabulary, dtype=torch.bool, device=self.device)
        self._suppressed[[token for token in config.suppress_tokens or [] if token < vocabulary]] = True
        # Timestamps never follow a no-timestamps prompt in ordinary decoding; generate() masks them through its processors.
        self._suppressed_first = self._suppressed.clone()
        self._suppressed_first[[token for token in config.begin_suppress_tokens or [] if token < vocabulary]] = True

    @property
    def device(self) -> torch.device:
        """Where the weights live."""
        device: torch.device = next(iter(self.network.parameters())).device
        return device

    @property
    def most_tokens(self) -> int:
        """How many ids the decoder writes after its prompt."""
        places = int(self.network.config.max_target_positions)
        limit = self.network.generation_config.max_length
        return min(places, int(limit or places)) - len(self.prompt)

    def is_long(self, batch: Batch) -> bool:
        """Whether a clip of the batch does not fit the window."""
        return int(batch.lengths.max()) > self.log_mel.samples

    def words(self, tokens: Sequence[int]) -> str:
        """Raw text of token ids, without timestamps and special tokens."""
        last = self.network.config.vocab_size if self.first_stamp is None else self.first_stamp
        return self.text_of([token for token in tokens if token < last])

    def count_words(self, tokens: Sequence[int]) -> int:
        """How many of these ids are of text: those of special tokens and timestamps lie behind end-of-text."""
        return sum(token < self.eot for token in tokens)

    def text_of(self, ids: list[int]) -> str:
        """Raw text of token ids, special tokens skipped, without blanks at its ends."""
        return self._decode(ids).strip()

    def text_ids(self, text: str) -> list[int]:
        """Token ids as the decoder would write ``text``: with a leading space, without special tokens."""
        stripped = text.strip()
        return self._encode(" " + stripped) if stripped and stripped != MUTE_TEXT else self._encode(stripped)

    def text_ids_raw(self, text: str) -> list[int]:
        """Token ids of ``text`` as it stands, special tokens by their names."""
        return self._encode(text)

    def never_said(self, ids: Sequence[int]) -> list[str]:
        """The tokens of a whole text that ordinary decoding never writes where they stand, as text."""
        return [
            self._decode([token])
            for index, token in enumerate(ids)
            if (self._suppressed_first if index == 0 else self._suppressed)[token]
        ]

    def loss(self, batch: Batch, texts: Sequence[str]) -> Tensor:
        """Negative log-likelihood of ``texts``, float (batch,), the mean over the modes; for clips that fit the window."""
        total = torch.zeros(len(batch), device=self.device)
        for mode in self.modes:
            logits, labels = self._teacher_forced(batch, texts, mode)
            total = total + seq2seq_losses.cross_entropy(logits, labels).sum(dim=1)
        return total / len(self.modes)

    def attack_loss(
        self,
        batch: Batch,
        texts: Sequence[str],
        config: LossConfig,
        contexts: dict[str, Context] | None = None,
        ends: dict[str, list[int]] | None = None,
    ) -> AttackLoss:
        """The mean loss over the modes; the cheap check wants all of them.

        Args:
            batch: clips that fit the window.
            texts, config: as in :meth:`~voiceattack.victims.base.DifferentiableVictim.attack_loss`.
            contexts: by front end, what the window holds past the clips; None computes the whole window.
            ends: by mode, each clip's last timestamp in steps of 20 ms, empty at first; brought up to date in place.
        """
        toward = config.direction == "toward"
        states: dict[str, Tensor] = {}
        parts = []
        for mode in self.modes:
            context = None if contexts is None else contexts[mode.frontend]
            if mode.frontend not in states:
                states[mode.frontend] = self._states(batch, mode.frontend, context)
            last = None if ends is None else ends.setdefault(mode.label, [])
            logits, labels = self._teacher_forced(batch, texts, mode, states[mode.frontend], context, toward, last)
            parts.append(seq2seq_losses.attack_loss(logits, labels, config))
        return AttackLoss.together(parts, toward)

    def writing_prompt(self, mode: DecodingMode) -> list[int]:
        """Decoder ids before the first word of a mode: with timestamps, <|0.00|> is the last."""
        if not mode.timestamps or self.first_stamp is None:
            return self.prompt
        return [*(token for token in self.prompt if token != self.first_stamp - 1), self.first_stamp]

    def writing_loss(
        self, batch: Batch, scripts: dict[str, list[list[int]]], contexts: dict[str, Context] | None = None
    ) -> AttackLoss:
        """Holds the end down at every place of what is written, the mean over the modes; see :mod:`.writing`.

        Args:
            batch: clips that fit the window.
            scripts: by mode, the token ids that each clip's decoder writes, all of one length.
            contexts: as for :meth:`attack_loss`.
        """
        states: dict[str, Tensor] = {}
        parts = []
        for mode in self.modes:
            context = None if contexts is None else contexts[mode.frontend]
            if mode.frontend not in states:
                states[mode.frontend] = self._states(batch, mode.frontend, context)
            said = torch.tensor(scripts[mode.label], dtype=torch.int64, device=self.device)
            prompt = torch.tensor(self.writing_prompt(mode), device=self.device)
            ids = torch.cat([prompt.expand(len(said), -1), said], dim=1)
            logits = self.plain_rules(decode(self.network, states[mode.frontend], ids, len(prompt) - 1, context))
            ends = logits[..., self.eot]
            if mode.timestamps:  # all stamps together end the segment, but not right after <|0.00|>
                stamps = logits[:, 1:, self.first_stamp :].logsumexp(dim=-1)
                ends = torch.cat([ends[:, :1], torch.maximum(ends[:, 1:], stamps)], dim=1)
            parts.append(seq2seq_losses.writing_on(logits[..., : self.eot], ends))
        return AttackLoss(torch.stack(parts).mean(dim=0))

    def window_loss(
        self, mel: Tensor, lengths: Tensor, texts: Sequence[str], mode: DecodingMode, config: LossConfig
    ) -> AttackLoss:
        """The attack loss of whole windows of features, float (windows, mels, frames), whose sounds last ``lengths`` samples."""
        blank = Batch(torch.zeros(len(mel), 1), lengths)
        logits, labels = self._teacher_forced(blank, texts, mode, encode(self.network, mel), toward=config.direction == "toward")
        return seq2seq_losses.attack_loss(logits, labels, config)

    def _teacher_forced(
        self,
        batch: Batch,
        texts: Sequence[str],
        mode: DecodingMode = PLAIN,
        states: Tensor | None = None,
        context: Context | None = None,
        toward: bool = True,
        ends: list[int] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Logits float (batch, tokens, vocabulary), what decoding forbids at -inf, and labels int64 (batch, tokens), -100 where
        padded. ``ends`` holds each clip's last timestamp and is brought up to date in place."""
        if states is None:
            states = self._states(batch, mode.frontend, context)
        rows = [self.text_ids(text) for text in texts]
        prompt, script = self._script(rows, batch, mode, toward, ends)
        inputs, labels = forced(prompt, script, self.eot)
        logits = decode(self.network, states, inputs.to(self.device), len(prompt) - 1, context)
        lengths = [len(wanted) for _, wanted in script]
        if mode.timestamps and ends is not None:
            stamps = logits.detach()[..., self.first_stamp :].argmax(dim=-1)
            ends[:] = [int(stamps[index, length - 2]) for index, length in enumerate(lengths)]
        logits = self._stamped_rules(logits, lengths) if mode.timestamps else self.plain_rules(logits)
        return logits, labels.to(self.device)

    def _states(self, batch: Batch, frontend: str, context: Context | None) -> Tensor:
        # The mask keeps gradients out of the padding even if a caller's search would write there.
        waveforms = batch.waveforms.to(self.device) * batch.mask().to(self.device)
        frames = None if context is None else 2 * context.front + 4
        return encode(self.network, features(self.log_mel, waveforms, batch.lengths, frontend, frames), context)

    def _script(
        self, rows: list[list[int]], batch: Batch, mode: DecodingMode, toward: bool, ends: list[int] | None
    ) -> tuple[list[int], list[tuple[list[int], list[int]]]]:
        """The prompt, and for each clip the tokens fed after it and the labels, one longer."""
        if not mode.timestamps:
            return self.prompt, [(row, [*row, self.eot]) for row in rows]
        assert self.first_stamp is not None
        script = []
        for index, row in enumerate(rows):
            # The words run from <|0.00|> to where the model last ended them, at first to the clip's end, in steps of 20 ms.
            last = min(1500, round(int(batch.lengths[index]) / 320)) if not ends else ends[index]
            end = self.first_stamp + last
            begin = self.first_stamp if toward else IGNORE
            script.append(([self.first_stamp, *row, end], [begin, *row, self.first_stamp, self.eot]))
        return [token for token in self.prompt if token != self.first_stamp - 1], script

    def plain_rules(self, logits: Tensor) -> Tensor:
        """Logits float (batch, tokens, vocabulary) from the first word on, with what ordinary decoding forbids at -inf."""
        banned = self._suppressed.expand(logits.shape[1], -1).clone()
        banned[0] = self._suppressed_first
        return logits.masked_fill(banned, float("-inf"))

    def _stamped_rules(self, logits: Tensor, lengths: Sequence[int]) -> Tensor:
        """Whisper's timestamp rules: a stamp of the first second comes first, then text; a stamp is written when all stamps
        together are likelier than any word, so their sum stands in the column of <|0.00|>; after the last stamp comes no word."""
        stamp = int(self.first_stamp or 0)
        logits = logits.masked_fill(self._suppressed, float("-inf"))
        words, stamps = logits[..., :stamp], logits[..., stamp:]
        never = torch.full_like(stamps, float("-inf"))
        begin = torch.cat([torch.full_like(words[:, :1], float("-inf")), stamps[:, :1]], dim=-1)
        begin[..., stamp + 51 :] = float("-inf")
        first = torch.cat([words[:, 1:2], never[:, 1:2]], dim=-1)
        together = torch.cat([stamps[:, 2:].logsumexp(dim=-1, keepdim=True), never[:, 2:, 1:]], dim=-1)
        rest = torch.cat([words[:, 2:], together], dim=-1)
        last = torch.zeros(rest.shape[:2], dtype=torch.bool, device=rest.device)
        for index, length in enumerate(lengths):
            last[index, length - 3] = True
        word = torch.arange(rest.shape[-1], device=rest.device) < self.eot
        return torch.cat([begin, first, rest.masked_fill(last[..., None] & word, float("-inf"))], dim=1)
