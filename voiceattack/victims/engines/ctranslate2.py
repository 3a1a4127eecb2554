"""``ctranslate2:<model>``: Whisper's weights in CTranslate2, fed the project's own features; a black box."""

from __future__ import annotations

import re
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from voiceattack.audio.clips import Batch
from voiceattack.errors import SpecError, VictimError
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
from voiceattack.victims.options import take_whole
from voiceattack.victims.whisper.frontends import DecodingMode, features, parse_modes
from voiceattack.victims.whisper.log_mel import LogMel

__all__ = ["CTranslate2Whisper", "load"]

LANGUAGE_TOKEN = re.compile(r"<\|[a-z]{2,3}\|>")
BEAM_SIZE = 5
"""The default of ``ctranslate2.models.Whisper.generate``."""


class CTranslate2Whisper(Victim):
    """Whisper in CTranslate2, one decoding a clip: no temperature fallback, the suppressed tokens of the model's config.

    Clips are heard one by one, so that a transcript depends on its clip alone.

    Args:
        engine: the module ``ctranslate2``.
        model: folder and digest.
        place: device and compute type.
        beam_size: hypotheses kept in the search; 1 is greedy.
        mode: front end, and whether timestamps are decoded.
        language: see :func:`voiceattack.languages.language_code`; English-only models take ``"en"`` alone.

    Raises:
        SpecError: the model does not know ``language``.
        VictimError: the model cannot be loaded.
    """

    max_seconds = 30.0

    def __init__(
        self, engine: Any, model: ConvertedModel, place: Placement, beam_size: int, mode: DecodingMode, language: str = "en"
    ) -> None:
        self.spec = model.spec
        self.language = language_code(language, self.spec)
        self._engine, self._model, self._place = engine, model, place
        self._beam_size, self._mode = beam_size, mode
        with engine_errors(self.spec, place.device):
            self._whisper = engine.models.Whisper(
                str(model.folder),
                device=place.device,
                device_index=place.index,
                compute_type=place.compute_type,
                intra_threads=place.threads,
            )
        try:
            self._tokenizer = Tokenizer.from_file(str(model.folder / "tokenizer.json"))
        except Exception as error:  # tokenizers raises bare Exception for whatever is wrong with the file
            raise VictimError(f"{self.spec}: tokenizer.json cannot be read ({error}); copy it from the model again") from error
        self._end = self._id("<|endoftext|>")
        self._prompt = self._prompt_of(language)
        self._log_mel = LogMel(self._whisper.n_mels)

    def describe(self) -> dict[str, Any]:
        return {
            **super().describe(),
            "family": "whisper",
            "engine": f"ctranslate2 {self._engine.__version__}",
            "model": self._model.name,
            "sha256": self._model.sha256,
            "compute_type": self._whisper.compute_type,
            "beam_size": self._beam_size,
            "hearing": self._mode.label,
            "device": self._place.describe(),
            "threads": self._place.threads,
        }

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return [self._hear(clip.detach().to("cpu", torch.float32)) for clip in batch.clips()]

    def _hear(self, clip: Tensor) -> Transcript:
        if not clip.numel():
            return Transcript("")
        with torch.no_grad():
            mel = features(self._log_mel, clip[None], torch.tensor([clip.shape[0]]), self._mode.frontend)
        with engine_errors(self.spec, self._place.device):
            view = self._engine.StorageView.from_array(mel.contiguous().numpy())
            (found,) = self._whisper.generate(view, [self._prompt], beam_size=self._beam_size, return_scores=True)
        words = [token for token in found.sequences_ids[0] if token < self._end]
        return Transcript(str(self._tokenizer.decode(words)).strip(), {"score": float(found.scores[0]), "tokens": len(words)})

    def _prompt_of(self, language: str) -> list[int]:
        prompt = [self._id("<|startoftranscript|>")]
        if self._whisper.is_multilingual:
            known = [token[2:-2] for token in self._tokenizer.get_vocab() if LANGUAGE_TOKEN.fullmatch(token)]
            prompt += [self._id(f"<|{model_code(language, known, self.spec)}|>"), self._id("<|transcribe|>")]
        else:
            model_code(language, ("en",), self.spec)
        return prompt if self._mode.timestamps else [*prompt, self._id("<|notimestamps|>")]

    def _id(self, token: str) -> int:
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise VictimError(f"{self.spec}: tokenizer.json lacks {token}; is it a Whisper model's?")
        return int(found)


def load(rest: str, options: dict[str, str], device: torch.device) -> CTranslate2Whisper:
    """Factory of ``ctranslate2:<model>?compute_type=&beam_size=&timestamps=on|off&frontend=audio-pad|feature-pad&language=``.

    Raises:
        SpecError: malformed options.
        MissingExtraError: ctranslate2 is not installed.
        VictimError: no such model, or it cannot be loaded (DigestError: not the weights expected).
    """
    spec, options = f"ctranslate2:{rest}", dict(options)
    modes = parse_modes(options, spec)
    if len(modes) != 1:
        raise SpecError(f"{spec}: an engine hears in one way; name one frontend and timestamps=on or timestamps=off, not all")
    beam_size = take_whole(spec, options, "beam_size", BEAM_SIZE, 1, WIDEST_BEAM)
    engine = optional_import("ctranslate2", extra="ctranslate2", feature="victim ctranslate2")
    model = find_model("ctranslate2", rest)
    place = placement(engine, spec, options, device)
    return CTranslate2Whisper(engine, model, place, beam_size, modes[0], options.get("language", "en"))
