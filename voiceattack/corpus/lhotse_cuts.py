"""Lhotse cut manifests (``cuts*.jsonl``, ``.jsonl.gz``): MonoCuts of recordings in files, read without the library."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from voiceattack.audio.files import MIN_SECONDS
from voiceattack.corpus.base import BadItem, Item, Utterance, utterance
from voiceattack.corpus.segments import segment_of
from voiceattack.corpus.tables import json_lines
from voiceattack.errors import CorpusError

__all__ = ["READER", "LhotseReader"]

WAYS_OUT = {
    "MixedCut": "it mixes or joins several recordings",
    "PaddingCut": "it is silence without a recording",
    "MultiCut": "it has several channels",
}


class _Source(BaseModel):
    type: str
    source: str
    channels: list[int] = Field(default_factory=lambda: [0])


class _Recording(BaseModel):
    sources: list[_Source] = Field(min_length=1)
    transforms: Any = None


class _Supervision(BaseModel):
    id: str | int = ""
    start: float = 0.0
    duration: float | None = None
    channel: int | list[int] | None = None
    text: str | None = None


class _Cut(BaseModel):
    """What is used of a MonoCut; times in seconds, those of supervisions from the cut's start."""

    id: str | int = ""
    start: float
    duration: float
    channel: int = 0
    supervisions: list[_Supervision] = Field(default_factory=list)
    recording: _Recording

    def said(self) -> str:
        """The words of the cut's channel.

        Raises:
            CorpusError: a supervision reaches beyond the cut, so that its words are not all in it.
        """
        words = []
        for part in self.supervisions:
            channels = part.channel if isinstance(part.channel, list) else [part.channel]
            if not part.text or (part.channel is not None and self.channel not in channels):
                continue
            end = part.start + (part.duration or 0.0)
            if part.start < -MIN_SECONDS or end > self.duration + MIN_SECONDS:
                raise CorpusError(f"supervision {part.id!r} reaches beyond its cut; use cuts.trim_to_supervisions() first")
            words.append(part.text)
        return " ".join(words)


class LhotseReader:
    """Reads MonoCuts, their channel and their part of the recording; a relative path starts at the manifest's folder."""

    folder_names: frozenset[str] = frozenset()

    def accepts(self, path: Path) -> bool:
        """See :class:`~voiceattack.corpus.base.Reader`."""
        name = path.name.lower()
        return name.endswith(".jsonl.gz") or (name.endswith(".jsonl") and "cuts" in name)

    def read(self, path: Path) -> Iterator[Item]:
        """One item a cut; a bad one is a BadItem that names it."""
        for where, cut in json_lines(path):
            try:
                if isinstance(cut, CorpusError):
                    raise cut
                yield _utterance(path, cut)
            except CorpusError as error:
                yield BadItem(where, str(error))


def _utterance(path: Path, line: dict[str, Any]) -> Utterance:
    cut = _checked(line)
    source = _source(cut)
    found = utterance(path, source.source, cut.said(), {"cut": str(cut.id)})
    # A file of one channel holds that channel, whatever its number.
    channel = source.channels.index(cut.channel) if len(source.channels) > 1 else None
    segment = segment_of(found.path, cut.start, cut.duration, channel)
    return found if segment is None else replace(found, name=str(cut.id) or found.name, segment=segment)


def _checked(line: dict[str, Any]) -> _Cut:
    kind = line.get("type", "MixedCut" if "tracks" in line else "MonoCut")
    if kind != "MonoCut":
        why = WAYS_OUT.get(kind, "it is unknown") if isinstance(kind, str) else "it is unknown"
        raise CorpusError(
            f"a cut of type {str(kind)[:50]!r} is not read ({why}); save it with cut.save_audio() and export MonoCuts"
        )
    if line.get("recording") is None and line.get("features") is not None:
        raise CorpusError("holds features only, and no sound can be made of them; export cuts with recordings")
    for holder in (line, line.get("recording")):
        if isinstance(holder, dict) and holder.get("transforms"):
            raise CorpusError(
                f"transforms ({_names(holder['transforms'])}) are not applied here; save the sound with cut.save_audio() first"
            )
    try:
        return _Cut.model_validate(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise CorpusError(f"no whole MonoCut ({where}: {first['msg']}); export cuts with recordings") from error


def _names(transforms: Any) -> str:
    each = transforms if isinstance(transforms, list) else [transforms]
    return ", ".join(str(one.get("name", "unnamed"))[:50] if isinstance(one, dict) else "unnamed" for one in each[:5])


def _source(cut: _Cut) -> _Source:
    """The file that holds the cut's channel."""
    sources = cut.recording.sources
    chosen = [source for source in sources if cut.channel in source.channels] or (sources if len(sources) == 1 else [])
    if not chosen or (len(chosen[0].channels) > 1 and cut.channel not in chosen[0].channels):
        known = sorted(channel for source in sources for channel in source.channels)
        raise CorpusError(f"channel {cut.channel} is not in the recording, which has {known}; correct the cut")
    if chosen[0].type != "file":
        raise CorpusError(f"the recording is of type {chosen[0].type!r}; only files are read, nothing is run or fetched")
    return chosen[0]


READER = LhotseReader()
