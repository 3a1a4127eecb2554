"""``faster-whisper:<model>``: Whisper as the library faster-whisper hears it, with that library's defaults; a black box."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from voiceattack.audio.clips import Batch
from voiceattack.extras import optional_import
from voiceattack.languages import language_code, model_code
from voiceattack.victims.base import Transcript, Victim
from voiceattack.victims.engines.common import (
    WIDEST_BEAM,
    ConvertedModel,
    Placement,
    engine_errors,
    find_model,
    placement,
)
from voiceattack.victims.options import take_choice, take_whole
from voiceattack.victims.whisper.prompted import PromptKind

__all__ = ["FasterWhisper", "load"]

BEAM_SIZE = 5
"""The default of ``WhisperModel.transcribe``."""
SEED = 0


class FasterWhisper(Victim):
    """faster-whisper's ``WhisperModel.transcribe`` on one waveform at a time, of any length.

    Its defaults hold: features padded with zeros, timestamps decoded, and decoding again at higher temperatures when the
    text is too unlikely or too repetitive. That sampling is made repeatable, see :class:`_Watched`.

    Args:
        library: the module ``faster_whisper``.
        engine: the module ``ctranslate2`` under it.
        model: folder and digest.
        place: device and compute type.
        beam_size: hypotheses kept at temperature 0.
        timestamps: whether timestamps are decoded.
        vad: whether the library's voice-activity detector (Silero, in its package) cuts out what it takes for no speech.
        language: see :func:`voiceattack.languages.language_code`; None lets the library detect it (English-only models: English).

    Raises:
        SpecError: the model does not know ``language``.
        VictimError: the model cannot be loaded.
    """

    def __init__(
        self,
        library: Any,
        engine: Any,
        model: ConvertedModel,
        place: Placement,
        beam_size: int = BEAM_SIZE,
        timestamps: bool = True,
        vad: bool = False,
        language: str | None = None,
    ) -> None:
        self.spec = model.spec
        self._library, self._engine, self._model, self._place = library, engine, model, place
        self._beam_size, self._timestamps, self._vad, self._asked = beam_size, timestamps, vad, language
        self._whisper = self._fresh()
        if language is not None:
            self._asked = model_code(language, self._whisper.supported_languages, self.spec)
            self.language = language_code(language)

    def describe(self) -> dict[str, Any]:
        return {
            **super().describe(),
            "family": "whisper",
            "engine": f"faster-whisper {self._library.__version__}, ctranslate2 {self._engine.__version__}",
            "model": self._model.name,
            "sha256": self._model.sha256,
            "compute_type": self._whisper.model.compute_type,
            "beam_size": self._beam_size,
            "hearing": f"frontend=feature-pad&timestamps={'on' if self._timestamps else 'off'}",
            "vad": self._vad,
            "seed": SEED,
            "device": self._place.describe(),
            "threads": self._place.threads,
        }

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return [self._hear(clip.detach().to("cpu", torch.float32)) for clip in batch.clips()]

    def transcribe_prompted(self, batch: Batch, prompt: str, kind: PromptKind) -> list[Transcript]:
        """By the library's own options ``initial_prompt`` and ``hotwords``."""
        name = {"initial-prompt": "initial_prompt", "hotwords": "hotwords"}[kind]
        options = {name: prompt} if prompt.strip() else {}
        return [self._hear(clip.detach().to("cpu", torch.float32), **options) for clip in batch.clips()]

    def _hear(self, clip: Tensor, **options: str) -> Transcript:
        with engine_errors(self.spec, self._place.device):
            if self._whisper.model.sampled:
                self._whisper = self._fresh()
            self._engine.set_random_seed(SEED)
            found, told = self._whisper.transcribe(
                np.ascontiguousarray(clip.numpy()),
                language=self._asked,
                beam_size=self._beam_size,
                without_timestamps=not self._timestamps,
                vad_filter=self._vad,
                **options,
            )
            segments = list(found)
        details = [
            {
                "start": float(segment.start),
                "end": float(segment.end),
                "temperature": float(segment.temperature),
                "avg_logprob": float(segment.avg_logprob),
                "compression_ratio": float(segment.compression_ratio),
                "no_speech_prob": float(segment.no_speech_prob),
            }
            for segment in segments
        ]
        text = "".join(segment.text for segment in segments).strip()
        end = self._whisper.hf_tokenizer.token_to_id("<|endoftext|>")
        tokens = sum(token < end for segment in segments for token in segment.tokens)
        return Transcript(text, {"language": str(told.language), "segments": details, "tokens": tokens})

    def _fresh(self) -> Any:
        with engine_errors(self.spec, self._place.device):
            whisper = self._library.WhisperModel(
                str(self._model.folder),
                device=self._place.device,
                device_index=self._place.index,
                compute_type=self._place.compute_type,
                cpu_threads=self._place.threads,
                local_files_only=True,
            )
        whisper.model = _Watched(whisper.model)
        return whisper


class _Watched:
    """The CTranslate2 model inside faster-whisper, noting whether it has sampled.

    CTranslate2 seeds a worker thread's random generator once, at the first sample; a later ``set_random_seed`` leaves it
    alone. Only a new model (new threads) starts again from the seed, so one is loaded after each clip that sampled.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self.sampled = False

    def generate(self, *arguments: Any, **options: Any) -> Any:
        self.sampled = self.sampled or options.get("sampling_temperature", 0) > 0
        return self._model.generate(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def load(rest: str, options: dict[str, str], device: torch.device) -> FasterWhisper:
    """Factory of ``faster-whisper:<model>?compute_type=&beam_size=&timestamps=on|off&vad=on|off&language=``.

    Raises:
        SpecError: malformed options.
        MissingExtraError: faster-whisper is not installed.
        VictimError: no such model, or it cannot be loaded (DigestError: not the weights expected).
    """
    spec, options = f"faster-whisper:{rest}", dict(options)
    timestamps = take_choice(spec, options, "timestamps", "on", ("on", "off"))
    vad = take_choice(spec, options, "vad", "off", ("on", "off"))
    beam_size = take_whole(spec, options, "beam_size", BEAM_SIZE, 1, WIDEST_BEAM)
    library = optional_import("faster_whisper", extra="faster-whisper", feature="victim faster-whisper")
    engine = optional_import("ctranslate2", extra="faster-whisper", feature="victim faster-whisper")
    model = find_model("faster-whisper", rest)
    place = placement(engine, spec, options, device)
    return FasterWhisper(library, engine, model, place, beam_size, timestamps == "on", vad == "on", options.get("language"))
