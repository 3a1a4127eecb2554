"""Audio files, and folders of them: recursive, sorted, with the references of any manifest that lies beside them."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path

from voiceattack.corpus.base import READERS, BadItem, Item, Utterance
from voiceattack.files import real_path

__all__ = ["READER", "FileReader", "read_folder"]

SUFFIXES = frozenset(
    (
        *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64"),
        *(".sph", ".nist"),
        # Not libsndfile's; yielded all the same, so that loading them says how to convert them.
        *(".m4a", ".aac", ".mp4", ".wma", ".webm", ".amr"),
    )
)
"""What counts as audio in a folder."""

RUNS = (("run.json", "examples.jsonl"), ("suite-run.json",))
"""What lies in the folder of a run, and in that of a suite's."""

TABLES = (".csv", ".tsv", ".txt", ".yaml", ".yml", ".xml", ".parquet")


class FileReader:
    """Takes any single file that is not a manifest; whether it is audio shows when it is loaded."""

    folder_names: frozenset[str] = frozenset()

    def accepts(self, path: Path) -> bool:
        """See :class:`~voiceattack.corpus.base.Reader`."""
        return path.suffix.lower() not in (".json", ".jsonl", ".gz", ".scp", *TABLES)

    def read(self, path: Path) -> Iterator[Item]:
        """The file itself."""
        yield Utterance(path, None, path.stem)


READER = FileReader()


def read_folder(folder: Path) -> Iterator[Item]:
    """The clips of a folder and those below it, by name.

    A manifest in the folder (``metadata.csv``, ``manifest.jsonl``, ``*.trans.txt`` and the like) gives its clips their texts and
    comes first; audio that it does not list follows without text, so that nothing is left out. Links to folders are followed,
    each folder once. Hidden files and folders are skipped, and below it also runs of this project: what was crafted from the
    clips is no clip of theirs.
    """
    found = False
    for item in _walk(folder):
        found = True
        yield item
    if not found:
        yield BadItem(str(folder), "holds no audio files; give a folder of .wav, .flac or the like, or a manifest")


def _walk(folder: Path) -> Iterator[Item]:
    listed: set[str] = set()
    been = {_identity(folder)}  # links may lead in circles
    waiting = [_items_in(folder, listed)]
    while waiting:
        found = next(waiting[-1], None)
        if found is None:
            waiting.pop()
        elif not isinstance(found, Path):
            yield found
        elif (identity := _identity(found)) not in been:
            been.add(identity)
            waiting.append(_items_in(found, listed))


def _is_run(folder: Path) -> bool:
    """Whether a run, or that of a suite, was written there."""
    return any(all(os.path.isfile(folder / name) for name in names) for names in RUNS)


def _identity(folder: Path) -> tuple[int, int] | None:
    """What is the same for two paths to one folder; None where it cannot be looked at."""
    try:
        found = os.stat(folder)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _items_in(folder: Path, listed: set[str]) -> Iterator[Item | Path]:
    """The items of a folder and the folders in it, in order; ``listed`` are the files that manifests name."""
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        yield BadItem(str(folder), f"cannot be read ({error.strerror}); check its permissions")
        return
    entries = [entry for entry in entries if not entry.name.startswith(".")]
    readers = [READERS.get(name) for name in READERS.names()]
    for entry in entries:
        for reader in readers:
            if any(fnmatch.fnmatchcase(entry.name, name) for name in reader.folder_names):
                for item in reader.read(entry):
                    if isinstance(item, Utterance):
                        listed.add(real_path(item.path))
                    yield item
    for entry in entries:
        if os.path.isdir(entry):
            if not _is_run(entry):
                yield entry
        elif entry.suffix.lower() in SUFFIXES and real_path(entry) not in listed:
            yield Utterance(entry, None, entry.stem)
