"""LibriSpeech: ``<chapter>.trans.txt``, one ``<utterance> <WORDS>`` a line, with ``<utterance>.flac`` beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from voiceattack.corpus.base import BadItem, Item, utterance
from voiceattack.corpus.tables import word_lines
from voiceattack.errors import CorpusError

__all__ = ["READER", "LibriSpeechReader"]

SUFFIXES = (".flac", ".wav", ".mp3", ".ogg", ".opus")


class LibriSpeechReader:
    """Reads one chapter's words; LibriTTS and others of that form have other suffixes than ``.flac``."""

    folder_names = frozenset({"*.trans.txt"})

    def accepts(self, path: Path) -> bool:
        """See :class:`~voiceattack.corpus.base.Reader`."""
        return path.name.lower().endswith(".trans.txt")

    def read(self, path: Path) -> Iterator[Item]:
        """One item a line; a bad line is a BadItem that names it."""
        for where, name, text, error in word_lines(path):
            try:
                if error is not None:
                    raise error
                yield utterance(path, _beside(path, name), text, {})
            except CorpusError as told:
                yield BadItem(where, str(told))


def _beside(path: Path, name: str) -> str:
    """The utterance's file name; LibriSpeech's own when there is none."""
    for suffix in SUFFIXES:
        try:
            if (path.parent / f"{name}{suffix}").exists():
                return f"{name}{suffix}"
        except (OSError, ValueError):
            break
    return f"{name}{SUFFIXES[0]}"


READER = LibriSpeechReader()
