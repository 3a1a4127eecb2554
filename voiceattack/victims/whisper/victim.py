"""The Whisper family: one differentiable code path for the bundled weights and for Hugging Face models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from voiceattack.audio.clips import Batch
from voiceattack.errors import TargetError, VictimError
from voiceattack.languages import language_code, model_code
from voiceattack.unicode_text import plain_apostrophes
from voiceattack.victims.base import AttackLoss, DifferentiableVictim, LossConfig, Search, Transcript
from voiceattack.victims.pretrained import load_model, load_part, precision, quiet_transformers, stored_dtype, take_dtype
from voiceattack.victims.whisper import losses as seq2seq_losses
from voiceattack.victims.whisper.frontends import PLAIN, Hearing, features, parse_hearings
from voiceattack.victims.whisper.generation import complete_generation
from voiceattack.victims.whisper.log_mel import LogMel
from voiceattack.victims.whisper.longform import LongFormSearch, Segment, hear_long, hear_stamped
from voiceattack.victims.whisper.losses import IGNORE
from voiceattack.victims.whisper.prompt import hear_prompted
from voiceattack.victims.whisper.prompted import PromptKind
from voiceattack.victims.whisper.search import WhisperSearch
from voiceattack.victims.whisper.window import Context, decode, encode

__all__ = ["WhisperVictim"]

WINDOW_SECONDS = 30.0
# What Whisper's English models write over silence and noise (Koenecke et al. 2024), the easiest to bring about first.
HALLUCINATIONS = ("Thank you.", "Thanks for watching!", "See you next time.", "you")
LONGEST_SECONDS = 300.0  # a search holds every window of a recording in memory at once


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
        hearings: the front ends and prompts it hears with; several make an ensemble of deployments.
        short_window: whether a search computes only the clip's own part of the window at each step.

    Raises:
        VictimError: timestamps are asked of a model that has none.
    """

    max_seconds = LONGEST_SECONDS
    mute_text = "."
    hallucinations = HALLUCINATIONS

    def __init__(
        self,
        model: Any,
        encode: Callable[[str], list[int]],
        decode: Callable[[list[int]], str],
        prompt: Sequence[int],
        facts: dict[str, Any] | None = None,
        hearings: Sequence[Hearing] = (PLAIN,),
        short_window: bool = True,
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self._encode = encode
        self._decode = decode
        self.prompt = list(prompt)
        self._facts = facts or {}
        self.hearings = tuple(hearings)
        self.short_window = short_window
        self.generate_options: dict[str, Any] = {}
        config = model.generation_config
        quiet = getattr(config, "no_timestamps_token_id", None)
        self.first_stamp = None if quiet is None else int(quiet) + 1
        if self.first_stamp is None and any(hearing.timestamps for hearing in self.hearings):
            raise VictimError("this model writes no timestamps (no no_timestamps_token_id); leave timestamps=on out")
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
        hearings = [hearing.label for hearing in self.hearings]
        return {**super().describe(), "family": "whisper", "device": str(self.device), "hearings": hearings, **self._facts}

    def transcribe(self, batch: Batch) -> list[Transcript]:
        if self.is_long(batch):
            return [self._whole(clip) for clip in batch.clips()]
        heard = {hearing.label: self._hear(batch, hearing) for hearing in self.hearings}
        plain = next(iter(heard.values()))
        if len(heard) == 1:
            return [Transcript(text) for text in plain]
        return [
            Transcript(text, {"hypotheses": {label: texts[place] for label, texts in heard.items()}})
            for place, text in enumerate(plain)
        ]

    def is_long(self, batch: Batch) -> bool:
        """Whether a clip of the batch does not fit the window."""
        return int(batch.lengths.max()) > self.log_mel.samples

    def _whole(self, clip: Tensor) -> Transcript:
        if len(clip) <= self.log_mel.samples:
            return self.transcribe(Batch.of([clip]))[0]
        with torch.no_grad(), quiet_transformers():
            text, windows = hear_long(self, clip.to(self.device, torch.float32))
        return Transcript(text, {"windows": [{"seconds": window.frame / 100, "text": window.text} for window in windows]})

    def hear_windows(self, clip: Tensor) -> list[Segment]:
        """The windows that a clip float (samples,) is heard in; one when it fits."""
        if len(clip) <= self.log_mel.samples:
            return [Segment(0, self.transcribe(Batch.of([clip]))[0].text)]
        with torch.no_grad(), quiet_transformers():
            return hear_long(self, clip.to(self.device, torch.float32))[1]

    def words(self, tokens: Sequence[int]) -> str:
        """Raw text of token ids, without timestamps and special tokens."""
        last = self.model.config.vocab_size if self.first_stamp is None else self.first_stamp
        return self._decode([token for token in tokens if token < last]).strip()

    def _hear(self, batch: Batch, hearing: Hearing) -> list[str]:
        with torch.no_grad(), quiet_transformers():
            if hearing.timestamps:
                return [hear_stamped(self, clip.to(self.device, torch.float32), hearing) for clip in batch.clips()]
            mel = features(self.log_mel, batch.waveforms.to(self.device, torch.float32), batch.lengths, hearing.frontend)
            tokens = self.model.generate(
                input_features=mel.to(self.model.dtype), do_sample=False, num_beams=1, **self.generate_options
            )
        return [self.words(row.tolist()) for row in tokens]

    def transcribe_prompted(self, batch: Batch, prompt: str, kind: PromptKind) -> list[Transcript]:
        """By transformers' ordinary ``generate`` with ``prompt_ids``, in the first hearing; it has one place for both kinds."""
        return hear_prompted(self, batch, prompt)

    def text_ids(self, text: str) -> list[int]:
        """Token ids as the decoder would write ``text``: with a leading space, without special tokens."""
        stripped = text.strip()
        return self._encode(" " + stripped) if stripped and stripped != self.mute_text else self._encode(stripped)

    def text_ids_raw(self, text: str) -> list[int]:
        """Token ids of ``text`` as it stands, special tokens by their names."""
        return self._encode(text)

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
        words = plain_apostrophes(text.strip())
        sentence = words[:1].upper() + words[1:]
        ended = sentence if sentence[-1:] in ".?!" else sentence + "."
        return list(dict.fromkeys([ended, sentence, words, text.strip()]))

    def _teacher_forced(
        self,
        batch: Batch,
        texts: Sequence[str],
        hearing: Hearing = PLAIN,
        states: Tensor | None = None,
        context: Context | None = None,
        toward: bool = True,
        ends: list[int] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Logits float (batch, tokens, vocabulary), what decoding forbids at -inf, and labels int64 (batch, tokens), -100 where
        padded. ``ends`` holds each clip's last timestamp and is brought up to date in place."""
        if states is None:
            states = self._states(batch, hearing.frontend, context)
        rows = [self.text_ids(text) for text in texts]
        prompt, script = self._script(rows, batch, hearing, toward, ends)
        width = max(len(labels) for _, labels in script)
        labels = torch.full((len(rows), width), IGNORE, dtype=torch.int64)
        inputs = torch.full((len(rows), len(prompt) + width - 1), self.eot, dtype=torch.int64)
        for place, (said, wanted) in enumerate(script):
            labels[place, : len(wanted)] = torch.tensor(wanted, dtype=torch.int64)
            inputs[place, : len(prompt)] = torch.tensor(prompt)
            inputs[place, len(prompt) : len(prompt) + len(said)] = torch.tensor(said, dtype=torch.int64)
        logits = decode(self.model, states, inputs.to(self.device), len(prompt) - 1, context)
        lengths = [len(wanted) for _, wanted in script]
        if hearing.timestamps and ends is not None:
            stamps = logits.detach()[..., self.first_stamp :].argmax(dim=-1)
            ends[:] = [int(stamps[place, length - 2]) for place, length in enumerate(lengths)]
        logits = self._stamped_rules(logits, lengths) if hearing.timestamps else self.plain_rules(logits)
        return logits, labels.to(self.device)

    def _states(self, batch: Batch, frontend: str, context: Context | None) -> Tensor:
        # The mask keeps gradients out of the padding even if a caller's search would write there.
        waveforms = batch.waveforms.to(self.device) * batch.mask().to(self.device)
        frames = None if context is None else 2 * context.front + 4
        return encode(self.model, features(self.log_mel, waveforms, batch.lengths, frontend, frames), context)

    def _script(
        self, rows: list[list[int]], batch: Batch, hearing: Hearing, toward: bool, ends: list[int] | None
    ) -> tuple[list[int], list[tuple[list[int], list[int]]]]:
        """The prompt, and for each clip the tokens fed after it and the labels, one longer."""
        if not hearing.timestamps:
            return self.prompt, [(row, [*row, self.eot]) for row in rows]
        assert self.first_stamp is not None
        script = []
        for place, row in enumerate(rows):
            # The words run from <|0.00|> to where the model last ended them, at first to the clip's end, in steps of 20 ms.
            last = min(1500, round(int(batch.lengths[place]) / 320)) if not ends else ends[place]
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
        for place, length in enumerate(lengths):
            last[place, length - 3] = True
        word = torch.arange(rest.shape[-1], device=rest.device) < self.eot
        return torch.cat([begin, first, rest.masked_fill(last[..., None] & word, float("-inf"))], dim=1)

    def loss(self, batch: Batch, texts: Sequence[str]) -> Tensor:
        if self.is_long(batch):
            losses = [LongFormSearch(self, Batch.of([clip])) for clip in batch.clips()]
            config = LossConfig("toward")
            parts = [one.attack_loss(batch.waveforms[[row]], [0], [texts[row]], config) for row, one in enumerate(losses)]
            return torch.cat([part.loss for part in parts])
        total = torch.zeros(len(batch), device=self.device)
        for hearing in self.hearings:
            logits, labels = self._teacher_forced(batch, texts, hearing)
            total = total + seq2seq_losses.cross_entropy(logits, labels).sum(dim=1)
        return total / len(self.hearings)

    def attack_loss(
        self,
        batch: Batch,
        texts: Sequence[str],
        config: LossConfig,
        contexts: dict[str, Context] | None = None,
        ends: dict[str, list[int]] | None = None,
    ) -> AttackLoss:
        """The mean loss over the victim's hearings; the cheap check wants all of them.

        Args:
            batch, texts, config: as in the base class.
            contexts: by front end, what the window holds past the clips; None computes the whole window.
            ends: by hearing, each clip's last timestamp in steps of 20 ms, empty at first; brought up to date in place.
        """
        toward = config.direction == "toward"
        states: dict[str, Tensor] = {}
        parts = []
        for hearing in self.hearings:
            context = None if contexts is None else contexts[hearing.frontend]
            if hearing.frontend not in states:
                states[hearing.frontend] = self._states(batch, hearing.frontend, context)
            last = None if ends is None else ends.setdefault(hearing.label, [])
            logits, labels = self._teacher_forced(batch, texts, hearing, states[hearing.frontend], context, toward, last)
            parts.append(seq2seq_losses.attack_loss(logits, labels, config))
        return AttackLoss.together(parts, toward)

    def window_loss(self, mel: Tensor, lengths: Tensor, texts: Sequence[str], hearing: Hearing, config: LossConfig) -> AttackLoss:
        """The attack loss of whole windows of features, float (windows, mels, frames), whose sounds last ``lengths`` samples."""
        blank = Batch(torch.zeros(len(mel), 1), lengths)
        logits, labels = self._teacher_forced(blank, texts, hearing, encode(self.model, mel), toward=config.direction == "toward")
        return seq2seq_losses.attack_loss(logits, labels, config)

    def search(self, clean: Batch) -> Search:
        if self.is_long(clean):
            return LongFormSearch(self, clean)
        return WhisperSearch(self, clean) if self.short_window else super().search(clean)

    @classmethod
    def from_pretrained(
        cls, name: str, device: torch.device, options: dict[str, str] | None = None, local_files_only: bool = True
    ) -> WhisperVictim:
        """A Hugging Face Whisper-type model from a local folder or the cache (safetensors only).

        Args:
            name: id on the hub, or a local folder.
            device: where the model goes.
            options: ``language`` (of multilingual models); ``frontend`` and ``timestamps``, see ``parse_hearings``;
                ``dtype``, see ``take_dtype``.
            local_files_only: never touch the network.

        Raises:
            SpecError: the model does not know the language.
            VictimError: the folder is incomplete or damaged, or the model is not of Whisper type.
        """
        from transformers import WhisperForConditionalGeneration, WhisperTokenizer

        spec, options = f"hf:{name}", dict(options or {})
        dtype = take_dtype(spec, options, device)
        where: dict[str, Any] = {"local_files_only": local_files_only}
        tokenizer = load_part(spec, "a Whisper model", WhisperTokenizer, name, **where)
        model = load_model(spec, "a Whisper model", WhisperForConditionalGeneration, name, device, dtype=dtype, **where)
        complete_generation(spec, model, tokenizer)
        prompt = [int(model.generation_config.decoder_start_token_id)]
        multilingual = bool(model.generation_config.is_multilingual)
        known = [token.strip("<|>") for token in model.generation_config.lang_to_id] if multilingual else ["en"]
        language = model_code(options.get("language", "en"), known, spec)
        if multilingual:
            tokenizer.set_prefix_tokens(language=language, task="transcribe", predict_timestamps=False)
            prompt = list(tokenizer.prefix_tokens)
        else:
            prompt.append(int(model.generation_config.no_timestamps_token_id))
        victim = cls(
            model,
            lambda text: list(tokenizer.encode(text, add_special_tokens=False)),
            lambda ids: str(tokenizer.decode(ids, skip_special_tokens=True)),
            prompt,
            {"model": name, "multilingual": multilingual, "precision": precision(stored_dtype(name), dtype)},
            parse_hearings(options, spec),
        )
        victim.language = language_code(language)
        if multilingual:
            victim.generate_options = {"language": language, "task": "transcribe"}
        return victim
