"""NeMo manifests: JSON lines with ``audio_filepath`` and, when known, ``text``, ``duration`` and ``offset``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from voiceattack.corpus.base import BadItem, Item, Utterance, utterance
from voiceattack.corpus.segments import seconds, segment_of
from voiceattack.corpus.tables import TextColumn, json_lines
from voiceattack.errors import CorpusError

__all__ = ["READER", "NemoReader"]


class NemoReader:
    """Reads ``.jsonl`` and, since NeMo's own manifests are named so, ``.json``.

    As in NeMo, ``duration`` seconds from ``offset`` (0 when left out) are the clip; when that is the whole file, the file is.
    """

    folder_names = frozenset({"manifest.jsonl"})

    def accepts(self, path: Path) -> bool:
        """See :class:`~voiceattack.corpus.base.Reader`."""
        return path.suffix.lower() in (".jsonl", ".json") and path.name != "metadata.jsonl" and "cuts" not in path.name.lower()

    def read(self, path: Path) -> Iterator[Item]:
        """One item a line; a bad line is a BadItem that names it."""
        words = TextColumn(path)
        for where, line in json_lines(path):
            try:
                if isinstance(line, CorpusError):
                    raise line
                yield _utterance(path, line, words.of(line))
            except CorpusError as error:
                yield BadItem(where, str(error))


def _utterance(path: Path, line: dict[str, Any], text_key: str) -> Utterance:
    if "audio_filepath" not in line:
        raise CorpusError(f"no key 'audio_filepath' (found: {', '.join(sorted(line)) or 'nothing'}); add it")
    rest = {key: value for key, value in line.items() if key not in ("audio_filepath", text_key)}
    found = utterance(path, line["audio_filepath"], line.get(text_key), rest)
    segment = segment_of(found.path, line.get("offset"), line.get("duration"))
    if segment is None:
        return found
    if segment.duration is None:
        raise CorpusError("'offset' without 'duration'; NeMo's lines that name a part of a file have both, in seconds")
    start = seconds(segment.start, "the start")
    return replace(found, name=f"{found.name}-{start:.3f}-{start + segment.duration:.3f}", segment=segment)


READER = NemoReader()
