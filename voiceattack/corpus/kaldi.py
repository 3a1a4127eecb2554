"""Kaldi data folders: ``wav.scp``, one ``<utterance> <path>`` a line, with the words in ``text`` beside it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from voiceattack.corpus.base import BadItem, Item, utterance
from voiceattack.errors import CorpusError
from voiceattack.files import open_regular

__all__ = ["READER", "KaldiReader"]


class KaldiReader:
    """Reads ``wav.scp``; a line that pipes from a command is refused, never run. A relative path starts at the folder."""

    folder_names = frozenset({"wav.scp"})

    def accepts(self, path: Path) -> bool:
        """See :class:`~voiceattack.corpus.base.Reader`."""
        return path.suffix.lower() == ".scp"

    def read(self, path: Path) -> Iterator[Item]:
        """One item a line; a bad line is a BadItem that names it."""
        texts: dict[str, str] = {}
        words = path.with_name("text")
        if words.is_file():
            for _, line in _lines(words):
                name, _, text = line.partition(" ")
                texts[name] = text.strip()
        if path.with_name("segments").is_file():
            yield BadItem(
                str(path), "'segments' marks parts of longer files, which is not supported; cut them into files of their own"
            )
            return
        for where, line in _lines(path):
            name, _, audio = line.partition(" ")
            try:
                if audio.rstrip().endswith("|"):
                    raise CorpusError("this line pipes from a command, which is not run; write the path of an audio file")
                found = utterance(path, audio.strip(), texts.get(name), {})
                yield type(found)(found.path, found.text, name, found.extra)
            except CorpusError as error:
                yield BadItem(where, str(error))


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    try:
        with io.TextIOWrapper(open_regular(path), encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"{path}:{number}", " ".join(line.split("\t")).strip()
    except OSError:
        return


READER = KaldiReader()
