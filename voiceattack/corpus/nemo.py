"""NeMo manifests: JSON lines with ``audio_filepath`` and, when known, ``text`` and ``duration``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from voiceattack.corpus.base import BadItem, Item, json_lines, utterance
from voiceattack.errors import CorpusError

__all__ = ["READER", "NemoReader"]


class NemoReader:
    """Reads ``.jsonl`` and, since NeMo's own manifests are named so, ``.json``."""

    folder_names = frozenset({"manifest.jsonl"})

    def accepts(self, path: Path) -> bool:
        """See :class:`~voiceattack.corpus.base.Reader`."""
        return path.suffix.lower() in (".jsonl", ".json") and path.name != "metadata.jsonl" and "cuts" not in path.name.lower()

    def read(self, path: Path) -> Iterator[Item]:
        """One item a line; a bad line is a BadItem that names it."""
        for where, line in json_lines(path):
            try:
                if isinstance(line, CorpusError):
                    raise line
                if "audio_filepath" not in line:
                    raise CorpusError(f"no key 'audio_filepath' (found: {', '.join(sorted(line)) or 'nothing'}); add it")
                if line.get("offset"):
                    raise CorpusError(
                        "'offset' marks a part of a longer file, which is not supported; cut it into files of its own"
                    )
                rest = {key: value for key, value in line.items() if key not in ("audio_filepath", "text")}
                yield utterance(path, line["audio_filepath"], line.get("text"), rest)
            except CorpusError as error:
                yield BadItem(where, str(error))


READER = NemoReader()
