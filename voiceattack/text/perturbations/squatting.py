"""``squatting``: the victim's own mishearings, learned by ``voiceattack confusions`` (Kumar et al. 2018, skill squatting)."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import ClassVar

from pydantic import Field

from voiceattack.errors import SpecError
from voiceattack.files import read_text
from voiceattack.text import base
from voiceattack.text.edits import Edit, Word
from voiceattack.text.measures import phonetics
from voiceattack.text.perturbations.homophones import cased

__all__ = ["Squatting"]


class Squatting(base.Perturbation):
    """Words that the victim hears for others: a word said is replaced by what it was heard as, the commonest first.

    The paper registers a skill of the misheard name; here the misheard word stands in the command, spoken or typed.
    """

    name: ClassVar[str] = "squatting"
    summary: ClassVar[str] = "a word as the victim itself mishears it"
    languages: ClassVar[frozenset[str] | None] = None

    class Params(base.Params):
        """Parameters of ``squatting``: ``words.json`` of voiceattack confusions, and how often a mishearing must have been."""

        words: str = ""
        least: int = Field(default=1, ge=1)

    config: Params

    def options(self, text: str, words: list[Word], index: int) -> list[Edit]:
        if not self.config.words:
            raise SpecError("squatting needs --param words=FILE, the words.json of: voiceattack confusions CATALOGUE --out DIR")
        word = words[index]
        heard = _table(self.config.words).get(word.text.lower(), {})
        return [
            Edit(word.start, word.end, word.text, cased(other, word.text), 1, phonetics.sounds_like([word.text], [other]))
            for other, count in heard.items()
            if count >= self.config.least and other != word.text.lower()
        ]


@lru_cache(maxsize=4)
def _table(path: str) -> dict[str, dict[str, int]]:
    try:
        data = json.loads(read_text(path))
        return {str(word): {str(other): int(count) for other, count in others.items()} for word, others in data.items()}
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise SpecError(f"{path}: no words.json of voiceattack confusions ({error}); make it with that command") from error
