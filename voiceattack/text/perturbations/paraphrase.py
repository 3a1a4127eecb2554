"""``paraphrase``: the same request in other words, by rewriting its phrase, as long as the sentence keeps its meaning."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import ClassVar

from pydantic import Field
from rapidfuzz.distance import LCSseq

from voiceattack.text import base
from voiceattack.text.edits import Edit, Word, words_of
from voiceattack.text.measures.meaning import meaning_kept

__all__ = ["REWRITES", "Paraphrase"]

_THING = r"((?:all )?(?:the|my|a|an|any|some|all)\b[\w' ]*?)"
_END = r"(?=[.?!]?$| (?:in|on|at|to|for|downstairs|upstairs)\b)"

REWRITES: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "en": (
        # The particle behind its object, and other verbs for the same.
        (rf"\b(turn|switch|put|shut) (on|off|down|up) {_THING}{_END}", (r"\1 \3 \2",)),
        (r"\bturn (on|off)\b", (r"switch \1", r"flip \1")),
        (r"\bturn on\b", ("put on", "power on", "start up")),
        (r"\bturn off\b", ("shut off", "power off", "shut down")),
        (rf"\b(?:turn|switch) (on|off) {_THING}{_END}", (r"get \2 switched \1", r"I want \2 \1", r"have \2 turned \1")),
        # Causatives.
        *(
            (rf"\b{verb} {_THING}{_END}", (rf"have \1 {done}", rf"get \1 {done}"))
            for verb, done in (
                *(("lock", "locked"), ("unlock", "unlocked"), ("open", "opened"), ("close", "closed"), ("pause", "paused")),
                *(("start", "started"), ("cancel", "cancelled"), ("activate", "activated"), ("play", "played")),
            )
        ),
        (rf"\bclose {_THING}{_END}", (r"shut \1", r"pull \1 shut")),
        (rf"\b(?:start|activate) {_THING}{_END}", (r"get \1 going", r"launch \1", r"run \1")),
        (rf"\bcancel {_THING}{_END}", (r"get rid of \1", r"call off \1", r"stop \1")),
        # Values.
        (rf"\bset {_THING} to\b", (r"change \1 to", r"put \1 at", r"bring \1 to", r"adjust \1 to")),
        (r"\bset a timer for\b", ("start a timer of", "time me for", "run a timer for", "let me know in")),
        (r"\badd (.+?) to (the|my)\b", (r"put \1 on \2", r"note \1 on \2")),
        (r"\bplay some\b", ("put on some", "let me hear some", "I'd like some")),
        # Questions.
        (rf"^is {_THING} (closed|open|locked|unlocked|on|off)\?", (r"tell me whether \1 is \2.", r"check if \1 is \2.")),
        (r"^are any (\w+) (on|off|open)\b", (r"are there any \1 \2", r"are there \1 \2")),
        (r"^what time is it\?", ("what's the time?", "tell me the time.", "do you have the time?")),
        (r"^what is the (\w+)\?", (r"tell me the \1.", r"how is the \1?", r"give me the \1.")),
        (r"^how much time is left on\b", ("how long is left on", "what remains on", "how much longer for")),
        # Contractions, both ways.
        (r"\b(what|it|that|there|how|where) is\b", (r"\1's",)),
        (r"\b(what|it|that|there|how|where)'s\b", (r"\1 is",)),
        (r"\b(do|does|did|is|are|was) not\b", (r"\1n't",)),
        (r"\b(do|does|did|is|are|was)n't\b", (r"\1 not",)),
        # The place first.
        (r"^(.+?) (in the [\w ]+|upstairs|downstairs)(?=[.!]?$)", (r"\2 \1",)),
    )
}
"""For each language, patterns (case ignored) and what may stand for a match; ``\\1`` is a group of the pattern."""


class Paraphrase(base.Perturbation):
    """Rewrites by the patterns of :data:`REWRITES`: requests to an assistant and short questions, without a language model.

    The words touched are those of the clean text that the new one does not keep in order. Adversarial paraphrase in the
    literature is by a trained generator (SCPN, Iyyer et al. 2018); rules say why a text was changed, and know fewer ways.
    """

    name: ClassVar[str] = "paraphrase"
    summary: ClassVar[str] = "the same request in other words"
    languages: ClassVar[frozenset[str] | None] = frozenset(REWRITES)

    class Params(base.Params):
        """Parameters of ``paraphrase``: least cosine of the sentences' embeddings, -1 to 1, and most offers a place."""

        min_similarity: float = Field(default=0.8, ge=-1, le=1)
        each: int = Field(default=12, ge=1)

    config: Params

    def options(self, text: str, words: list[Word], index: int) -> list[Edit]:
        word = words[index]
        edits = [edit for edit in _rewritten(text) if word.start <= edit.start < word.end]
        return meaning_kept(text, edits, self.config.min_similarity)[: self.config.each]


@lru_cache(maxsize=256)
def _rewritten(text: str) -> tuple[Edit, ...]:
    found = []
    for pattern, templates in REWRITES["en"]:
        for match in re.finditer(pattern, text, re.IGNORECASE):
            old = match.group()
            for template in templates:
                new = _like(match.expand(template), old)
                if new.lower() != old.lower():
                    found.append(Edit(match.start(), match.end(), old, new, _touched(old, new)))
    return tuple(found)


def _like(new: str, old: str) -> str:
    """``new`` with a capital where ``old`` has one, and without one inside, where a sentence's first word has moved."""
    if not old[:1].isupper():
        return new
    first = old.split()[0]
    return new[:1].upper() + new[1:].replace(f" {first} ", f" {first.lower()} ")


def _touched(old: str, new: str) -> int:
    """Words of ``old`` that ``new`` does not keep in order, at least 1."""
    before, after = ([word.text.lower() for word in words_of(text)] for text in (old, new))
    return max(1, len(before) - int(LCSseq.similarity(before, after)))
