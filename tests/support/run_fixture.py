"""A request, and examples of a run made of it; tests change what they are about."""

from __future__ import annotations

from typing import Any

from voiceattack.runs import Example

REQUEST: dict[str, Any] = {"victim": "tiny", "attack": "pgd", "params": {"steps": 3}, "budget": {"snr_db": 35.0}, "seed": 0}


def example(id: str = "a-00000000-pgd", **changes: Any) -> Example:
    """A whole example with some fields changed."""
    fields: dict[str, Any] = {
        "id": id,
        "source": "in/a.flac",
        "source_sha256": "00",
        "audio": f"audio/{id}.flac",
        "clean_audio": "clean/a.flac",
        "source_victim": "tiny",
        "attack": "pgd",
        "params": {"steps": 3},
        "objective": "untargeted",
        "target": None,
        "reference": None,
        "clean_hypothesis": "hello",
        "control_for": None,
        "steps": 3,
        "queries": 4,
        "seconds": 0.5,
        "seed": 1,
        "sha256": "11",
        "recipe": {},
    }
    return Example(**{**fields, **changes})
