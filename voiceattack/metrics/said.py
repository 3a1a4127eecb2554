"""The words of a row of results, normalised as the language of its victim asks."""

from __future__ import annotations

from typing import Any

from voiceattack.metrics.text import normalize

__all__ = ["said"]


def said(row: dict[str, Any], key: str = "reference") -> str:
    """``row[key]``, a raw text or None, as it is compared with the row's normalised transcripts.

    Rows without ``language``, of earlier versions, are English.
    """
    return normalize(row[key] or "", row.get("language") or "en")
