"""The clips of a suite: speech from files and manifests, and clips without speech made into the run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from voiceattack.audio import clips as audio
from voiceattack.corpus import BadItem, Utterance, read_corpus
from voiceattack.corpus.non_speech import KINDS, no_speech
from voiceattack.errors import VoiceAttackError
from voiceattack.files import inside
from voiceattack.metrics.terms import names_of
from voiceattack.runs.provenance import example_seed
from voiceattack.suite.schema import InputEntry, Suite

__all__ = ["SuiteClip", "gather", "shard"]


@dataclass(frozen=True)
class SuiteClip:
    """One clip of a suite.

    Attributes:
        path: the file, absolute.
        shown: the file as a reader reaches it: relative to the run when it lies there.
        name, text, sha256: stem or the manifest's name, reference (None when unknown; "" without speech), digest of the clip.
        tags: names by which attacks and gates choose it.
        speech: whether anything is said in it.
        terms: critical terms that its manifest names.
        error: why it cannot be used; then ``sha256`` is empty.
        clip: which part of the file, or where in it; None is the whole file.
    """

    path: Path
    shown: str
    name: str
    text: str | None
    sha256: str
    tags: frozenset[str]
    speech: bool = True
    terms: tuple[str, ...] = ()
    error: str | None = None
    clip: Utterance | None = None

    @property
    def utterance(self) -> Utterance:
        """The clip as the corpus gives it, with its text of now."""
        whole = Utterance(self.path, self.text or None, self.name)
        return whole if self.clip is None else replace(whole, segment=self.clip.segment, packed=self.clip.packed)


def gather(suite: Suite, folder: Path, out: Path, *, write: bool = True) -> list[SuiteClip]:
    """All clips, in order, each content and name once (the tags of its appearances together).

    Args:
        suite: what is asked.
        folder: where relative paths start.
        out: the suite's run directory; clips without speech go under ``inputs/``.
        write: whether to make them there; without, they are only counted.

    Raises:
        RunError: a clip cannot be written.
    """
    found: dict[tuple[str, str], SuiteClip] = {}
    for entry in suite.inputs:
        items = _generated(entry, suite.seed, out, write) if entry.generate else _spoken(entry, folder)
        for item in items:
            key = (item.name, item.sha256 or item.shown)
            known = found.get(key)
            found[key] = item if known is None else replace(known, tags=known.tags | item.tags)
    return list(found.values())


def shard(items: Sequence[SuiteClip], part: int, parts: int) -> list[SuiteClip]:
    """Every ``parts``-th item, beginning with the ``part``-th, from 1."""
    return list(items[part - 1 :: parts])


def _spoken(entry: InputEntry, folder: Path) -> Iterable[SuiteClip]:
    given = os.path.join(folder, os.path.expanduser(str(entry.path)))
    for index, item in enumerate(read_corpus([given])):
        if entry.limit is not None and index >= entry.limit:
            return
        if isinstance(item, BadItem):
            yield SuiteClip(
                Path(item.where), item.where, Path(item.where).stem, None, "", frozenset(entry.tags), error=item.error
            )
            continue
        tags = frozenset((*entry.tags, *names_of(item.extra, "tags"), *(() if entry.speech else ("no-speech",))))
        said = item.text if entry.speech else ""
        path = item.path.resolve()
        try:
            terms = tuple(names_of(item.extra, "critical_terms"))
            yield SuiteClip(path, item.place, item.name, said, item.digests()[1], tags, entry.speech, terms, clip=item)
        except (VoiceAttackError, OSError) as error:
            yield SuiteClip(path, item.place, item.name, said, "", tags, entry.speech, error=str(error))


def _generated(entry: InputEntry, seed: int, out: Path, write: bool) -> Iterable[SuiteClip]:
    kinds = (entry.kinds or tuple(KINDS))[: entry.limit]
    for kind in kinds:
        name = f"no-speech-{kind}"
        path = inside(out, f"inputs/{name}-{entry.seconds:g}s-{seed}.flac")
        wave = no_speech(kind, entry.seconds, example_seed(seed, kind, "no-speech"))
        if write and not path.exists():
            audio.save(path, wave)
        digest = audio.pcm_sha256(wave)
        yield SuiteClip(
            path.resolve(), f"inputs/{path.name}", name, "", digest, frozenset((*entry.tags, "no-speech")), speech=False
        )
