"""Kaldi data folders, one a split: ``wav.scp``, ``text``, ``utt2spk``, ``spk2utt``, ``utt2dur``, sorted as Kaldi wants them.

Paths in ``wav.scp`` start at its own folder, so that it can be moved. The files are WAV, which
 Kaldi reads without a program in between, with the same samples; ``metadata.jsonl`` holds what these
tables cannot. Speakers are unknown, so that each utterance is its own, as Kaldi advises.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from voiceattack.audio import clips as audio
from voiceattack.export.base import ExportedClip, json_line

__all__ = ["write"]

TABLES = ("wav.scp", "text", "utt2spk", "spk2utt", "utt2dur")


def write(items: Iterator[ExportedClip], folder: Path) -> None:
    """See :mod:`voiceattack.export`."""
    with contextlib.ExitStack() as stack:
        open_files: dict[tuple[str, str], TextIO] = {}
        for item in items:
            for name in (*TABLES, "metadata.jsonl"):
                if (item.split, name) not in open_files:
                    (folder / item.split / "wav").mkdir(parents=True, exist_ok=True)
                    path = folder / item.split / name
                    open_files[item.split, name] = stack.enter_context(open(path, "w", encoding="utf-8"))
            comment = audio.read_comment(item.path)
            audio.save(folder / item.split / "wav" / f"{item.id}.wav", audio.load(item.path), comment=comment)
            said = " ".join((item.fields["text"] or "").split())
            values = (f"wav/{item.id}.wav", said, item.id, item.id, f"{item.seconds:.4f}")
            for name, value in zip(TABLES, values, strict=True):
                open_files[item.split, name].write(f"{item.id} {value}\n")
            open_files[item.split, "metadata.jsonl"].write(json_line(item.fields))
        splits = {split for split, _ in open_files}
    for split in splits:
        for name in TABLES:
            path = folder / split / name
            lines = path.read_bytes().split(b"\n")[:-1]
            lines.sort(key=lambda line: bytes(line).split(b" ", 1)[0])
            path.write_bytes(b"".join(line + b"\n" for line in lines))
