"""A whole line of results.jsonl of audio, and the result that it is; tests change what they are about."""

from __future__ import annotations

from typing import Any

from voiceattack.runs.records import Result

__all__ = ["changed", "result", "result_line"]

LINE: dict[str, Any] = {
    "id": "a",
    "audio": "audio/a.flac",
    "clean_audio": "clean/a.flac",
    "victim": "v",
    "language": "en",
    "source_victim": "v",
    "attack": "pgd",
    "params": {"steps": 2, "eps": 0.1},
    "objective": "untargeted",
    "target": None,
    "control_for": None,
    "stage_of": None,
    "reference": "Turn it ON.",
    "reference_source": "manifest",
    "clean_hypothesis": "turn it on",
    "hypothesis": "turn it of",
    "clean_hypothesis_normalized": "turn it on",
    "hypothesis_normalized": "turn it of",
    "wer_clean": 0,
    "wer": 0.3333333333333333,
    "wer_raw": 1.0,
    "cer": 0.1,
    "success": True,
    "outcome": "fooled",
    "snr_db": 20,
    "nulls": {"pesq": "not installed"},
    "steps": 2,
    "queries": 3,
    "seconds": 1,
    "seed": 0,
    "sha256": None,
    "recipe": {"z": 1, "batch": ["a"], "draws": {"random": True}},
    "warnings": [],
    "trace": [{"step": 1}],
    "error": None,
}


def result_line(**changes: Any) -> dict[str, Any]:
    """The line with these changes."""
    return {**LINE, **changes}


def result(**changes: Any) -> Result:
    """The same as a result."""
    return Result.model_validate(result_line(**changes))


def changed(of: Result, **changes: Any) -> Result:
    """Another result with these changes."""
    return Result.model_validate({**of.as_json(), **changes})
