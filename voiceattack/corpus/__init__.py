"""Corpora: audio files, folders and manifests in, one utterance at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from voiceattack.corpus.base import READERS, BadItem, Item, Utterance
from voiceattack.corpus.files import read_folder
from voiceattack.errors import CorpusError

__all__ = ["READERS", "BadItem", "Utterance", "read_corpus"]

READERS.add("file", "voiceattack.corpus.files:READER", "an audio file, any format of libsndfile")
READERS.add("kaldi", "voiceattack.corpus.kaldi:READER", "Kaldi data folder, wav.scp with text beside it")
READERS.add("lhotse", "voiceattack.corpus.lhotse_cuts:READER", "Lhotse cuts, cuts*.jsonl or .jsonl.gz")
READERS.add("nemo", "voiceattack.corpus.nemo:READER", "NeMo manifest, .jsonl with audio_filepath and text")
READERS.add("audiofolder", "voiceattack.corpus.audiofolder:READER", "Hugging Face audiofolder, metadata.csv or metadata.jsonl")


def read_corpus(inputs: Sequence[str | Path]) -> Iterator[Item]:
    """All utterances of audio files, folders (recursive) and manifests, lazily and in order.

    What cannot be used is a :class:`BadItem` in its place. A file met twice comes once; a second with
    another text is a BadItem.

    Raises:
        CorpusError: there are no inputs, or none of them exists. Raised at once, before anything is read.
    """
    paths = [Path(item) for item in inputs]
    if not paths:
        raise CorpusError("no input given; give audio files, folders or manifests")
    if not any(_exists(path) for path in paths):
        raise CorpusError(f"no such file or folder: {', '.join(map(_shown, paths))}; check the path")
    return _distinct(paths)


def _distinct(paths: Sequence[Path]) -> Iterator[Item]:
    texts: dict[str, str | None] = {}
    for path in paths:
        for item in _items(path):
            if isinstance(item, Utterance):
                if _shown(item.path) != str(item.path):
                    yield BadItem(_shown(item.path), "the file's name is not UTF-8; rename it")
                    continue
                real = os.path.realpath(item.path)
                if real in texts:
                    if item.text not in (None, texts[real]):
                        known = repr(texts[real]) if texts[real] else "no text"
                        yield BadItem(str(item.path), f"given twice, with {known} and then {item.text!r}; keep one of them")
                    continue
                texts[real] = item.text
            yield item


def _items(path: Path) -> Iterator[Item]:
    if not _exists(path):
        yield BadItem(_shown(path), "no such file or folder; check the path")
    elif path.is_dir():
        yield from read_folder(path)
    else:
        for name in READERS.names():
            reader = READERS.get(name)
            if reader.accepts(path):
                yield from reader.read(path)
                return
        kinds = "; ".join(entry.summary for entry in READERS.entries())
        yield BadItem(_shown(path), f"no reader for {path.suffix or 'such'} files; known: {kinds}; or a folder of them")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _shown(path: Path) -> str:
    """The path as text that any file or screen takes."""
    return str(path).encode("utf-8", "backslashreplace").decode()
