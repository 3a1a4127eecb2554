"""``vosk:<model folder>``: a Kaldi model in Vosk; a black box."""

from __future__ import annotations

import contextlib
import ctypes
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from voiceattack.audio.clips import Batch, pcm16
from voiceattack.errors import SpecError, VictimError
from voiceattack.extras import optional_import
from voiceattack.languages import language_code
from voiceattack.victims.base import Transcript, Victim

__all__ = ["VoskVictim", "load"]

MODELS = ("am/final.mdl", "final.mdl")
SEED = 1


class VoskVictim(Victim):
    """Vosk's ``KaldiRecognizer``, a fresh one a clip.

    Kaldi dithers its features with the C library's random numbers, so that the same clip may be heard in two ways; here the
    generator is seeded before each clip where the C library can be reached (not on Windows).

    Args:
        module: the module ``vosk``.
        folder: of the model.
        language: of the speech it expects.

    Raises:
        VictimError: the model cannot be loaded.
    """

    def __init__(self, module: Any, folder: Path, language: str = "en") -> None:
        self.spec = f"vosk:{folder}"
        self.language = language_code(language)
        self._folder, self._recognizer = folder, module.KaldiRecognizer
        module.SetLogLevel(-1)
        try:
            self._model = module.Model(str(folder))
        except Exception as error:  # Vosk raises bare Exception for whatever is wrong with the folder
            raise VictimError(f"{self.spec}: Vosk cannot load it ({error}); unpack the model again") from error

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "family": "kaldi", "model": str(self._folder), "device": "cpu"}

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return [self._hear(clip, batch.sample_rate) for clip in batch.clips()]

    def _hear(self, clip: Tensor, sample_rate: int) -> Transcript:
        if not clip.numel():
            return Transcript("")
        _seed()
        recognizer = self._recognizer(self._model, sample_rate)
        recognizer.AcceptWaveform(pcm16(clip))
        return Transcript(str(json.loads(recognizer.FinalResult()).get("text", "")).strip())


def _seed() -> None:
    with contextlib.suppress(OSError, TypeError, AttributeError):
        ctypes.CDLL(None).srand(SEED)


def load(rest: str, options: dict[str, str], device: torch.device) -> VoskVictim:
    """Factory of ``vosk:<model folder>?language=en``; nothing is downloaded, and it runs on the CPU.

    Raises:
        SpecError: no folder named.
        MissingExtraError: vosk is not installed.
        VictimError: no such folder, no model in it, or it cannot be loaded.
    """
    del device
    where = f"vosk:{rest}"
    if not rest:
        raise SpecError("victim vosk needs a model: vosk:<folder of an unpacked Vosk model>")
    module = optional_import("vosk", extra="vosk", feature="victim vosk")
    folder = Path(rest).expanduser()
    if not folder.is_dir():
        raise VictimError(f"{where}: no such folder; give that of an unpacked Vosk model")
    if not any((folder / name).is_file() for name in MODELS):
        raise VictimError(f"{where}: holds no {' or '.join(MODELS)}; give the folder of an unpacked Vosk model")
    return VoskVictim(module, folder, options.get("language", "en"))
