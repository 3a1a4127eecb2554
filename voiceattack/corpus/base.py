"""What the corpus yields, what a reader is, and the registry of readers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Protocol

from voiceattack.errors import CorpusError
from voiceattack.files import open_regular
from voiceattack.registry import Registry

__all__ = ["READERS", "BadItem", "Item", "Reader", "Utterance", "json_lines", "utterance"]


@dataclass(frozen=True)
class Utterance:
    """One clip to attack.

    Attributes:
        path: the audio file, as reached from the working directory.
        text: what is said in it (the reference); None when nobody wrote it down.
        name: the file's stem.
        extra: what else the manifest says of it, JSON-safe.
    """

    path: Path
    text: str | None
    name: str
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BadItem:
    """An input, or one line of a manifest, that cannot be used: where, and in one line why and what to do."""

    where: str
    error: str


Item = Utterance | BadItem


class Reader(Protocol):
    """Reads one kind of input file.

    Attributes:
        folder_names: file names that describe the folder they lie in (``metadata.csv``); a folder's reader looks for them.
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
        raise CorpusError(f"the audio path is {_kind(audio)}; write the path of an audio file, as text")
    if text is not None and not isinstance(text, str):
        raise CorpusError(f"the text is {_kind(text)}; write what is said as text, or leave it out")
    absolute = os.path.isabs(audio)
    if not absolute and (PureWindowsPath(audio).drive or _leaves(audio)):
        raise CorpusError(f"{audio!r} leaves the manifest's folder; move the file below it, or write an absolute path")
    path = Path(audio) if absolute else manifest.parent / audio
    if not path.exists():
        raise CorpusError(f"no such audio file: {audio!r} (a relative path starts at the manifest's folder); correct the path")
    return Utterance(path, (text or "").strip() or None, path.stem, dict(extra))


def json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any] | CorpusError]]:
    """The objects of a JSON-lines file, lazily: (``"file:line"``, the object, or what is wrong with that line).

    Blank lines are skipped. A file that cannot be opened gives one error.
    """
    try:
        with open_regular(path) as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"{path}:{number}", _object(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
    except OSError as error:
        yield str(path), CorpusError(f"cannot be read ({error.strerror}); check its permissions")


def _object(line: bytes) -> dict[str, Any] | CorpusError:
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        return CorpusError("not UTF-8 text; save the manifest as UTF-8")
    except (ValueError, RecursionError) as error:
        reason = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else type(error).__name__
        return CorpusError(f"broken JSON ({reason}); write one JSON object a line")
    return value if isinstance(value, dict) else CorpusError(f"holds {_kind(value)}; write one JSON object a line")


def _leaves(relative: str) -> bool:
    return ".." in PurePosixPath(os.path.normpath(relative.replace("\\", "/"))).parts


def _kind(value: object) -> str:
    if isinstance(value, str):
        return "a text" if value.strip() else "empty"
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "missing")
