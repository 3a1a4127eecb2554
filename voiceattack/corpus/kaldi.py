"""Kaldi data folders: ``wav.scp``, one ``<recording> <path>`` a line, with the words in ``text`` and parts in ``segments``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from voiceattack.corpus.base import BadItem, Item, Utterance, utterance
from voiceattack.corpus.segments import segment_of
from voiceattack.corpus.tables import word_lines
from voiceattack.errors import CorpusError

__all__ = ["READER", "KaldiReader"]

Texts = dict[str, str | CorpusError]


class KaldiReader:
    """Reads ``wav.scp``; a line that pipes from a command is refused, never run. A relative path starts at the folder.

    With ``segments`` beside it (``<utterance> <recording> <start> <end>``, seconds) its lines are the clips.
    """

    folder_names = frozenset({"wav.scp"})

    def accepts(self, path: Path) -> bool:
        """See :class:`~voiceattack.corpus.base.Reader`."""
        return path.suffix.lower() == ".scp"

    def read(self, path: Path) -> Iterator[Item]:
        """One item a line; a bad line is a BadItem that names it."""
        words, parts = path.with_name("text"), path.with_name("segments")
        texts = _texts(words) if words.is_file() else {}
        if not parts.is_file():
            for where, name, found in _recordings(path):
                yield _item(where, name, found, texts)
            return
        recordings = {name: found for _, name, found in _recordings(path)}
        for where, name, rest, error in word_lines(parts):
            try:
                if error is not None:
                    raise error
                yield _item(where, name, _part(recordings, rest), texts)
            except CorpusError as told:
                yield BadItem(where, str(told))


def _texts(words: Path) -> Texts:
    texts: Texts = {}
    for where, name, text, error in word_lines(words):
        texts[name] = text if error is None else CorpusError(f"its words cannot be read: {where}: {error}")
    return texts


def _recordings(path: Path) -> Iterator[tuple[str, str, Utterance | CorpusError]]:
    for where, name, audio, error in word_lines(path):
        try:
            if error is not None:
                raise error
            if audio.endswith("|"):
                raise CorpusError("this line pipes from a command, which is not run; write the path of an audio file")
            yield where, name, utterance(path, audio, None, {})
        except CorpusError as told:
            yield where, name, told


def _item(where: str, name: str, found: Utterance | CorpusError, texts: Texts) -> Item:
    text = texts.get(name)
    for told in (found, text):
        if isinstance(told, CorpusError):
            return BadItem(where, str(told))
    assert isinstance(found, Utterance) and not isinstance(text, CorpusError)
    return replace(found, text=text or None, name=name)


def _part(recordings: dict[str, Utterance | CorpusError], rest: str) -> Utterance:
    """The part of a recording that a line of ``segments`` names: ``<recording> <start> <end>``; an end of -1 is the file's."""
    fields = rest.split()
    try:
        recording, start, end = fields[0], float(fields[1]), float(fields[2])
    except (IndexError, ValueError) as error:
        raise CorpusError("must read '<utterance> <recording> <start> <end>', with times in seconds") from error
    found = recordings.get(recording)
    if found is None:
        raise CorpusError(f"recording {recording[:100]!r} is not in wav.scp; add it there")
    if isinstance(found, CorpusError):
        raise CorpusError(f"recording {recording[:100]!r} of wav.scp cannot be used: {found}")
    return replace(found, segment=segment_of(found.path, start, None if end == -1 else end - start))


READER = KaldiReader()
