"""Runs as corpora of adversarial speech. One file and one registration line a format: ``write(items, folder)``."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from voiceattack.errors import RunError
from voiceattack.export.base import DEFAULT_SPLITS, ExportedClip, Selection, select
from voiceattack.export.datasheet import Tally, datasheet
from voiceattack.files import write_whole, writing
from voiceattack.locks import LOCK_FILE, locked
from voiceattack.registry import Registry
from voiceattack.runs.run import Run

__all__ = ["EXPORTS", "Item", "Selection", "Tally", "export", "survey"]

Writer = Callable[[Iterator[ExportedClip], Path], None]
EXPORTS: Registry[Writer] = Registry("export format", group="voiceattack.exports")

EXPORTS.add("nemo", "voiceattack.export.nemo:write", "NeMo: a JSON-lines manifest a split, FLAC beside it")
EXPORTS.add("hf", "voiceattack.export.audiofolder:write", "Hugging Face audiofolder, loads with datasets")
EXPORTS.add("parquet", "voiceattack.export.parquet:write", "Parquet with the sounds inside, loads with datasets", "export")
EXPORTS.add("lhotse", "voiceattack.export.lhotse_cuts:write", "Lhotse cuts, loads with lhotse")
EXPORTS.add("kaldi", "voiceattack.export.kaldi:write", "Kaldi data folders: wav.scp, text, utt2spk, spk2utt")
EXPORTS.add("webdataset", "voiceattack.export.webdataset_tar:write", "WebDataset tar shards, loads with webdataset")


def survey(run: Run, selection: Selection) -> Tally:
    """What an export would hold; writes nothing.

    Raises:
        RunError: not evaluated yet, or damaged.
    """
    tally = Tally()
    for _ in tally.watch(select(run, selection, tally.skipped)):
        pass
    return tally


def export(run: Run, name: str, out: Path, selection: Selection = Selection(splits=DEFAULT_SPLITS)) -> Tally:  # noqa: B008
    """Write a run as a corpus, one clip in memory at a time, with ``DATASHEET.md``; whole or not at all.

    Args:
        run: evaluated.
        name: a registered format.
        out: a folder that does not exist yet, or is empty.
        selection: which examples, under which licence, in which splits.

    Returns:
        Counts of what was written and what was left out, and why.

    Raises:
        UnknownNameError: no such format.
        MissingExtraError: the format needs a package that is not installed.
        RunError: not evaluated, nothing left to export, ``out`` holds files, or the disk refuses.
    """
    write = EXPORTS.get(name)
    part = out.with_name(f".{out.name}.part")
    tally = Tally()
    with writing(out, "make room or choose another folder"), _alone(part):
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise RunError(f"{out}: exists and is not an empty folder; choose another")
        write(tally.watch(select(run, selection, tally.skipped)), part)
        if not tally.items:
            raise RunError(f"{run.path}: no example passes the filters ({tally.why_skipped()}); loosen them")
        write_whole(part / "DATASHEET.md", datasheet(run, name, selection, tally).encode())
        if out.exists():
            out.rmdir()
        (part / LOCK_FILE).unlink(missing_ok=True)  # still ours, and no part of the corpus
        os.replace(part, out)
    return tally


@contextlib.contextmanager
def _alone(part: Path) -> Iterator[None]:
    """An empty folder for this process alone, which is gone in the end; what a killed one left in it is deleted."""
    if part.is_symlink():
        part.unlink()
    with locked(part):
        try:
            for item in part.iterdir():
                if item.is_dir() and not item.is_symlink():
                    shutil.rmtree(item)
                elif item.name != LOCK_FILE:
                    item.unlink()
            yield
        finally:
            shutil.rmtree(part, ignore_errors=True)
