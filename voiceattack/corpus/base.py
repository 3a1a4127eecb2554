"""What the corpus yields, what a reader is, and the registry of readers."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, Protocol

from voiceattack.audio import clips as audio
from voiceattack.audio.clips import AudioInfo
from voiceattack.corpus.segments import Segment, write_segment
from voiceattack.errors import AudioError, CorpusError
from voiceattack.files import one_line, write_whole
from voiceattack.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["READERS", "BadItem", "Item", "Packed", "Reader", "Utterance", "kind_of", "utterance"]


class Packed(Protocol):
    """Where inside another file (a table) the bytes of an audio file lie; hashable, equal when the place is."""

    @property
    def name(self) -> str:
        """What the file inside is called, with its suffix."""

    def __str__(self) -> str:
        """The place, as the fragment of an address."""

    def unpack(self, path: Path) -> bytes:
        """The audio file's bytes; raises AudioError when they are not there."""


@dataclass(frozen=True)
class Utterance:
    """One clip to attack: an audio file, a part of one, or one that lies inside a table.

    Attributes:
        path: the file, as reached from the working directory.
        text: what is said in it (the reference); None when nobody wrote it down.
        name: the file's stem, or what the manifest calls this clip.
        extra: what else the manifest says of it, JSON-safe.
        segment: which part of the file; None is the whole.
        packed: where in ``path`` the audio file lies; None when ``path`` is the audio file.
    """

    path: Path
    text: str | None
    name: str
    extra: dict[str, Any] = field(default_factory=dict)
    segment: Segment | None = None
    packed: Packed | None = None

    @property
    def place(self) -> str:
        """What records and messages call it: the path, with a fragment for a part of it: ``long.wav#t=2.325,5.627``."""
        parts = "&".join(str(part) for part in (self.packed, self.segment) if part is not None)
        return f"{self.path}#{parts}" if parts else str(self.path)

    @property
    def suffix(self) -> str:
        """Of the audio file, lower-case, with its dot."""
        return (self.path.suffix if self.packed is None else Path(self.packed.name).suffix).lower()

    @contextlib.contextmanager
    def file(self) -> Iterator[Path]:
        """An audio file that holds this clip and nothing else: its own, or a temporary one for as long as the context lasts.

        Errors that name the temporary file name the clip's place instead.

        Raises:
            AudioError: the clip cannot be reached.
        """
        if self.segment is None and self.packed is None:
            yield self.path
            return
        with tempfile.TemporaryDirectory(prefix="voiceattack-") as folder:
            try:
                path = self.path if self.packed is None else self._unpacked(self.packed, Path(folder))
                if self.segment is not None:
                    source, path = path, Path(folder) / "segment.wav"
                    write_segment(source, self.segment, path)
                yield path
            except AudioError as error:
                if folder not in str(error):
                    raise
                reason = str(error).partition(folder)[2].partition(": ")[2]
                raise AudioError(f"{self.place}: {reason}") from error

    def _unpacked(self, packed: Packed, folder: Path) -> Path:
        path = folder / f"packed{self.suffix}"
        data = packed.unpack(self.path)
        try:
            write_whole(path, data)
        except OSError as error:
            raise AudioError(f"{self.place}: cannot be unpacked ({one_line(error)}); free some space in {folder}") from error
        return path

    def load(self) -> tuple[Tensor, list[str]]:
        """The clip and one line for each thing that was done to it; see :func:`voiceattack.audio.clips.load_with_warnings`."""
        with self.file() as path:
            return audio.load_with_warnings(path)

    def info(self) -> AudioInfo:
        """Rate, channels and length of the clip; raises AudioError when it cannot be read."""
        with self.file() as path:
            return audio.info(path)

    def digests(self) -> tuple[str, str]:
        """Hexadecimal SHA-256 of the audio file's bytes, and of the clip: the same, unless it is a part of the file.

        The first says what a clip was made from, the second tells clips of one file apart.

        Raises:
            AudioError: the file cannot be read.
        """
        if self.packed is None:
            source = audio.file_sha256(self.path)
        else:
            with tempfile.TemporaryDirectory(prefix="voiceattack-") as folder:
                source = audio.file_sha256(self._unpacked(self.packed, Path(folder)))
        return source, source if self.segment is None else self.segment.digest(source)


@dataclass(frozen=True)
class BadItem:
    """An input, or one line of a manifest, that cannot be used: where, and in one line why and what to do."""

    where: str
    error: str


Item = Utterance | BadItem


class Reader(Protocol):
    """Reads one kind of input file.

    Attributes:
        folder_names: names of files that describe the folder they lie in (``metadata.csv``, ``*.trans.txt``); a folder's
            reader looks for them.
    """

    folder_names: frozenset[str]

    def accepts(self, path: Path) -> bool:
        """Whether this reader is the one for a file, judged by its name."""

    def read(self, path: Path) -> Iterator[Item]:
        """The file's items, one at a time."""


READERS: Registry[Reader] = Registry("corpus reader")


def utterance(manifest: Path, audio: object, text: object, extra: Mapping[str, Any]) -> Utterance:
    """One checked line of a manifest.

    Args:
        manifest: the manifest; a relative ``audio`` is relative to its folder.
        audio: where the audio lies.
        text: the reference; None or blank when missing.
        extra: the line's other keys.

    Raises:
        CorpusError: a value of the wrong type, a path that leaves the manifest's folder, or no such file.
    """
    if not isinstance(audio, str) or not audio.strip() or "\0" in audio:
        raise CorpusError(f"the audio path is {kind_of(audio)}; write the path of an audio file, as text")
    if text is not None and not isinstance(text, str):
        raise CorpusError(f"the text is {kind_of(text)}; write what is said as text, or leave it out")
    absolute = os.path.isabs(audio)
    if not absolute and (PureWindowsPath(audio).drive or _leaves(audio)):
        raise CorpusError(f"{_short(audio)} leaves the manifest's folder; move the file below it, or write an absolute path")
    path = Path(audio) if absolute else manifest.parent / audio
    try:
        found = path.exists()
    except (OSError, ValueError) as error:  # a name too long, a folder that may not be looked into, half a surrogate pair
        raise CorpusError(f"the audio path {_short(audio)} cannot be followed ({one_line(error)}); correct the path") from error
    if not found:
        raise CorpusError(
            f"no such audio file: {_short(audio)} (a relative path starts at the manifest's folder); correct the path"
        )
    return Utterance(path, (text or "").strip() or None, path.stem, dict(extra))


def kind_of(value: object) -> str:
    """What a value is, in words for a message."""
    if isinstance(value, str):
        return "a text" if value.strip() else "empty"
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "missing")


def _leaves(relative: str) -> bool:
    return ".." in PurePosixPath(os.path.normpath(relative.replace("\\", "/"))).parts


def _short(path: str) -> str:
    return repr(path) if len(path) <= 200 else f"{path[:100]!r}... ({len(path)} characters)"
