"""Objectives on single words: ``drop:TERM`` and ``insert:TEXT``."""

from __future__ import annotations

import re

from voiceattack.errors import SpecError
from voiceattack.objectives.base import Aim, Interpret, Measure
from voiceattack.victims.base import Victim

__all__ = ["Drop", "Insert"]


class _OnWords(Aim):
    needs = True

    def check(self) -> None:
        if not self.words(self.argument):
            raise SpecError(f"objective {self.name}:{self.argument} names no word; give at least one")

    def nearness(self, clean: str, heard: str) -> float:
        wanted = self.aim(clean)
        return -self.wer_to(wanted, heard) if self.words(wanted) else -float(len(self.words(heard).split()))

    def aim(self, clean: str) -> str:
        """The raw text that a search moves toward, by the raw clean transcript."""
        raise NotImplementedError

    def text_for(self, victim: Victim, clean: str) -> str:
        return self.aim(clean).strip() or victim.mute_text

    @property
    def measure(self) -> tuple[Measure, float | None]:
        return "wer_to_target", 0.0


class Drop(_OnWords):
    """All that was said is heard but for a critical term: "do not open the door" without "not"."""

    name = "drop"
    takes = "TERM"

    def told(self) -> str:
        return f"be heard without “{self.argument}”"

    def refusal(self, clean: str) -> str | None:
        if self._without(self.words(clean)) is None:
            return f"{self.argument!r} is not heard in the clean clip, so it cannot be dropped; leave the clip out"
        return None

    def aim(self, clean: str) -> str:
        pattern = r"\W+".join(re.escape(word) for word in self.argument.split())
        text = re.sub(rf"(?i)(?<!\w){pattern}(?!\w)[,;:]?\s*", "", clean).strip()
        # Where it is spelt otherwise in the raw text, the normalised words do.
        wanted = self._without(self.words(clean))
        return text if wanted is None or self.words(text) == wanted else wanted

    def _without(self, words: str) -> str | None:
        """Normalised words without the term's, wherever they come; None where they do not."""
        term, found = self.words(self.argument).split(), words.split()
        kept, place, seen = [], 0, False
        while place < len(found):
            if found[place : place + len(term)] == term:
                place, seen = place + len(term), True
            else:
                kept.append(found[place])
                place += 1
        return " ".join(kept) if seen else None

    def succeeded(self, clean: str, heard: str, interpret: Interpret | None) -> bool:
        wanted = self._without(self.words(clean))
        return wanted is not None and self.words(heard) == wanted


class Insert(_OnWords):
    """All that was said is heard, in its order, and the text besides, in one piece, at any place."""

    name = "insert"
    takes = "TEXT"

    def told(self) -> str:
        return f"be heard with “{self.argument}” besides"

    def aim(self, clean: str) -> str:
        return f"{clean.strip()} {self.argument.strip()}".strip()

    def succeeded(self, clean: str, heard: str, interpret: Interpret | None) -> bool:
        more, said, found = self.words(self.argument).split(), self.words(clean).split(), self.words(heard).split()
        return any(
            found[place : place + len(more)] == more and found[:place] + found[place + len(more) :] == said
            for place in range(len(found) - len(more) + 1)
        )
