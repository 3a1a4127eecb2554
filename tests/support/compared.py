"""Examples and snapshots as comparisons read them, written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from voiceattack.compare.snapshots import ComparedExample, Snapshot

__all__ = ["clean", "entry", "side"]


def entry(id: str, success: bool, errors: int = 0, attack: str = "pgd", **more: Any) -> ComparedExample:
    """An example of an attack on the victim ``v``, of four words."""
    facts = {"outcome": "fooled" if success else "held", "words": 4, "clean_errors": 0, "snr_db": 30.0, "heard": str(errors)}
    return ComparedExample(
        **{"victim": "v", "attack": attack, "seed": None, "id": id, "success": success, "errors": errors, **facts, **more}
    )


def clean(id: str, errors: int = 0, **more: Any) -> ComparedExample:
    """A clean clip of four words, of which so many are misheard."""
    facts = {"outcome": "clean", "errors": None, "clean_errors": errors, "snr_db": None, "heard": "go" if errors else "Go"}
    return entry(id, False, **{"attack": "", **facts, **more})


def side(entries: list[ComparedExample], name: str = "side", **made_with: Any) -> Snapshot:
    """A run, or a baseline."""
    return Snapshot(Path(name), {one.key: one for one in entries}, made_with)
