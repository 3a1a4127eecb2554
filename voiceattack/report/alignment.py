"""Words said and words heard, side by side."""

from __future__ import annotations

import jiwer

__all__ = ["align"]


def align(said: str, heard: str) -> list[tuple[str, str, str]]:
    """Word alignment by jiwer of two texts, as they are: (``equal|substitute|delete|insert``, words said, words heard)."""
    before, after = said.split(), heard.split()
    if not before or not after:
        return [("delete", said, "")] if before else [("insert", "", heard)] if after else []
    chunks = jiwer.process_words(said, heard).alignments[0]
    return [
        (
            chunk.type,
            " ".join(before[chunk.ref_start_idx : chunk.ref_end_idx]),
            " ".join(after[chunk.hyp_start_idx : chunk.hyp_end_idx]),
        )
        for chunk in chunks
    ]
