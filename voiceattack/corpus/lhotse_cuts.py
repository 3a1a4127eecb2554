"""Lhotse cut manifests (``cuts*.jsonl``, ``.jsonl.gz``): cuts that are a whole recording in one file, read without it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from voiceattack.corpus.base import BadItem, Item, json_lines, utterance
from voiceattack.errors import CorpusError
from voiceattack.files import open_regular

__all__ = ["READER", "LhotseReader"]


class LhotseReader:
    """Reads MonoCuts; a relative path starts at the manifest's folder."""

    folder_names: frozenset[str] = frozenset()

    def accepts(self, path: Path) -> bool:
        """See :class:`~voiceattack.corpus.base.Reader`."""
        name = path.name.lower()
        return name.endswith(".jsonl.gz") or (name.endswith(".jsonl") and "cuts" in name)

    def read(self, path: Path) -> Iterator[Item]:
        """One item a cut; a bad one is a BadItem that names it."""
        for where, cut in _packed(path) if path.suffix == ".gz" else json_lines(path):
            try:
                if isinstance(cut, CorpusError):
                    raise cut
                yield _utterance(path, cut)
            except CorpusError as error:
                yield BadItem(where, str(error))


def _utterance(path: Path, cut: dict[str, Any]) -> Item:
    try:
        recording = cut["recording"]
        (source,) = recording["sources"]
        whole = cut["start"] == 0 and abs(cut["duration"] - recording["duration"]) < 0.01
        kind, place = source["type"], source["source"]
        said = [part["text"] for part in cut.get("supervisions", []) if part.get("text")]
    except (KeyError, TypeError, ValueError) as error:
        raise CorpusError(
            f"no whole MonoCut of one file ({type(error).__name__}: {error}); export cuts with recordings"
        ) from error
    if kind != "file":
        raise CorpusError(f"the recording is of type {kind!r}; only files are read, nothing is run or fetched")
    if not whole:
        raise CorpusError("the cut is a part of a longer recording, which is not supported; save it with cut.save_audio first")
    return utterance(path, place, " ".join(said) or None, {"cut": str(cut.get("id", ""))})


def _packed(path: Path) -> Iterator[tuple[str, dict[str, Any] | CorpusError]]:
    number = 0
    try:
        with open_regular(path) as packed, gzip.open(packed, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    value = json.loads(line)
                    yield f"{path}:{number}", value if isinstance(value, dict) else CorpusError("holds no object")
    except (OSError, EOFError, ValueError, RecursionError) as error:
        yield f"{path}:{number + 1}", CorpusError(f"broken from here on ({type(error).__name__}); write the manifest again")


READER = LhotseReader()
