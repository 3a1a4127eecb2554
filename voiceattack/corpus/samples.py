"""Where the sample clips lie: in the checkout, or inside the installed package."""

from __future__ import annotations

import json
from pathlib import Path

from voiceattack.errors import CorpusError

__all__ = ["command_for", "sample_commands", "samples_manifest"]


def samples_manifest() -> Path:
    """The manifest of the sample clips: the checkout's ``samples/``, else the copy that a wheel carries.

    Raises:
        CorpusError: neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / "samples", package / "_samples"):
        # A ``samples`` package may lie beside us in site-packages; ours is known by its manifest.
        if (manifest := folder / "manifest.jsonl").is_file():
            return manifest
    raise CorpusError(f"{package / '_samples'}: no sample clips; install voiceattack again, or give your own audio")


def sample_commands() -> list[dict[str, str]]:
    """Lines of ``commands.jsonl``: ``text``, ``action`` and others; none where the file is missing."""
    catalogue = samples_manifest().parent / "commands.jsonl"
    return [json.loads(line) for line in catalogue.read_text(encoding="utf-8").splitlines()] if catalogue.is_file() else []


def command_for(action: str) -> str | None:
    """The first sample command whose action reads exactly ``action``, or None."""
    return next((line["text"] for line in sample_commands() if line["action"] == action), None)
