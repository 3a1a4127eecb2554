"""The summary of a step that GitHub Actions shows."""

from __future__ import annotations

import os
from pathlib import Path

from voiceattack.files import writing

__all__ = ["append_to_step"]


def append_to_step(markdown: str) -> None:
    """Append to the file that ``GITHUB_STEP_SUMMARY`` names, when it names one.

    Raises:
        RunError: it cannot be written.
    """
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        with writing(Path(path), "it is what GITHUB_STEP_SUMMARY names"), open(path, "a", encoding="utf-8") as stream:
            stream.write(markdown + "\n")
