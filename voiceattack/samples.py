"""Where the sample clips lie: in the checkout, or inside the installed package."""

from __future__ import annotations

from pathlib import Path

from voiceattack.errors import CorpusError

__all__ = ["samples_manifest"]


def samples_manifest() -> Path:
    """The manifest of the sample clips: the checkout's ``samples/``, else the copy that a wheel carries.

    Raises:
        CorpusError: neither is there.
    """
    package = Path(__file__).resolve().parent
    for folder in (package.parent / "samples", package / "_samples"):
        # A ``samples`` package may lie beside us in site-packages; ours is known by its manifest.
        if (manifest := folder / "manifest.jsonl").is_file():
            return manifest
    raise CorpusError(f"{package / '_samples'}: no sample clips; install voiceattack again, or give your own audio")
