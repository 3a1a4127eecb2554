"""Corpora: audio files, folders and manifests in, one utterance at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from voiceattack.corpus.base import READERS, BadItem, Item, Utterance
from voiceattack.corpus.files import read_folder
from voiceattack.corpus.segments import Segment
from voiceattack.errors import CorpusError
from voiceattack.files import real_path

__all__ = ["READERS", "BadItem", "Segment", "Utterance", "clip_at", "read_corpus"]

READERS.add("file", "voiceattack.corpus.files:READER", "an audio file, any format of libsndfile")
READERS.add("kaldi", "voiceattack.corpus.kaldi:READER", "Kaldi data folder, wav.scp with text and segments beside it")
READERS.add("lhotse", "voiceattack.corpus.lhotse_cuts:READER", "Lhotse cuts, cuts*.jsonl or .jsonl.gz")
READERS.add("nemo", "voiceattack.corpus.nemo:READER", "NeMo manifest, .jsonl with audio_filepath and text")
READERS.add("audiofolder", "voiceattack.corpus.audiofolder:READER", "Hugging Face audiofolder, metadata.csv or metadata.jsonl")
READERS.add("common_voice", "voiceattack.corpus.common_voice:READER", "Common Voice, .tsv with path and sentence")
READERS.add("librispeech", "voiceattack.corpus.librispeech:READER", "LibriSpeech, .trans.txt with the audio beside it")
READERS.add("parquet", "voiceattack.corpus.parquet:READER", "Parquet with the sounds inside, .parquet", "export")


def read_corpus(inputs: Sequence[str | Path]) -> Iterator[Item]:
    """All utterances of audio files, folders (recursive) and manifests, lazily and in order.

    What cannot be used is a :class:`BadItem` in its place. A clip (a file, or the same part of one) met twice comes once; a
    second with another text is a BadItem. What deserves a word without being wrong goes to the log as a warning.

    Raises:
        CorpusError: there are no inputs, or none of them exists. Raised at once, before anything is read.
    """
    paths = [Path(item) for item in inputs]
    if not paths:
        raise CorpusError("no input given; give audio files, folders or manifests")
    if not any(_exists(path) for path in paths):
        raise CorpusError(f"no such file or folder: {', '.join(map(_shown, paths))}; check the path")
    return _distinct(paths)


def clip_at(place: str) -> Utterance:
    """The clip that a record calls ``place`` (:attr:`Utterance.place`), without its text; loading shows whether it is there."""
    path, _, fragment = place.rpartition("#")
    if not path or _exists(Path(place)):
        return _whole(place)
    if Path(path).suffix.lower() == ".parquet" and _exists(Path(path)):
        return next((item for item in _items(Path(path)) if isinstance(item, Utterance) and item.place == place), _whole(path))
    return replace(_whole(path), segment=Segment.parse(fragment))


def _whole(path: str) -> Utterance:
    return Utterance(Path(path), None, Path(path).stem)


def _distinct(paths: Sequence[Path]) -> Iterator[Item]:
    texts: dict[tuple[str, object, object], str | None] = {}
    for path in paths:
        for item in _items(path):
            if isinstance(item, Utterance):
                if _shown(item.path) != str(item.path):
                    yield BadItem(_shown(item.path), "the file's name is not UTF-8; rename it")
                    continue
                real = (real_path(item.path), item.segment, item.packed)
                if real in texts:
                    if item.text not in (None, texts[real]):
                        known = repr(texts[real]) if texts[real] else "no text"
                        yield BadItem(item.place, f"given twice, with {known} and then {item.text!r}; keep one of them")
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
