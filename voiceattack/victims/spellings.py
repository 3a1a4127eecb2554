"""Ways to write one sentence, for models that write capitals and punctuation."""

from __future__ import annotations

from voiceattack.unicode_text import plain_apostrophes

__all__ = ["sentence_spellings"]


def sentence_spellings(text: str) -> list[str]:
    """Spellings of ``text`` that are equal after normalisation: as a sentence first, then with less of it, then as given."""
    words = plain_apostrophes(text.strip())
    sentence = words[:1].upper() + words[1:]
    ended = sentence if sentence[-1:] in ".?!" else sentence + "."
    return list(dict.fromkeys([ended, sentence, words, text.strip()]))
