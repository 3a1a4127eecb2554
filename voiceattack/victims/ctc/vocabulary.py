"""CTC in discrete terms: spelling text as tokens, collapsing frames, the likeliest alignment, edit distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
import numpy.typing as npt

from voiceattack.errors import SpecError, TargetError
from voiceattack.unicode_text import plain_apostrophes

__all__ = ["Vocabulary", "align", "edit_distance", "frames_needed"]

SILENT_PUNCTUATION = frozenset('.,?!;:"()\u2026\u00bf\u00a1')
"""Dropped where a vocabulary lacks it: normalised transcripts do not hold it either. Apostrophes and hyphens do change words."""


@dataclass(frozen=True)
class Vocabulary:
    """What a CTC model can write.

    Attributes:
        tokens: one string an output; an empty string is an output that is never asked for.
        blank: index of the CTC blank.
        delimiter: the token between words, None if the model writes no word boundaries.

    Raises:
        SpecError: the blank is not an index, or the delimiter not a token.
    """

    tokens: tuple[str, ...]
    blank: int = 0
    delimiter: str | None = "|"

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", tuple(self.tokens))
        if not 0 <= self.blank < len(self.tokens):
            raise SpecError(
                f"CTC vocabulary: blank index {self.blank} is not one of its {len(self.tokens)} tokens; give blank=INDEX"
            )
        if self.delimiter is not None and self.delimiter not in self.tokens:
            raise SpecError(
                f"CTC vocabulary: word delimiter {self.delimiter!r} is not one of its tokens; give delimiter=TOKEN or None"
            )

    def _index(self) -> dict[str, int]:
        index = {token: place for place, token in enumerate(self.tokens) if token and place != self.blank}
        if self.delimiter is not None:
            index[" "] = index.pop(self.delimiter)
        return index

    def folded(self, text: str) -> str:
        """``text`` in the vocabulary's case and with its apostrophe, words parted by single spaces."""
        letters = "".join(token for token in self.tokens if len(token) == 1)
        text = plain_apostrophes(text)
        if "'" not in letters and "\u2019" in letters:
            text = text.replace("'", "\u2019")
        if letters == letters.upper():
            text = text.upper()
        elif letters == letters.lower():
            text = text.lower()
        return " ".join(text.split())

    def encode(self, text: str) -> list[int]:
        """Token ids of ``text``, longest tokens first, no blanks; [] for the empty text.

        Raises:
            TargetError: characters that no token writes; the message names them.
        """
        index = self._index()
        longest = max(map(len, index), default=0)
        folded = self.folded(text)
        kept = "".join(letter for letter in folded if letter in index or letter not in SILENT_PUNCTUATION)
        ids: list[int] = []
        lacking: list[str] = []
        place = 0
        kept = " ".join(kept.split())
        while place < len(kept):
            for size in range(min(longest, len(kept) - place), 0, -1):
                if kept[place : place + size] in index:
                    ids.append(index[kept[place : place + size]])
                    place += size
                    break
            else:
                lacking.append(kept[place])
                place += 1
        if lacking:
            named = ", ".join(repr(letter) for letter in dict.fromkeys(lacking))
            raise TargetError(
                f"target {text!r} holds {named}, which the victim's vocabulary lacks; spell it with the letters it has"
            )
        return ids

    def collapse(self, frames: Sequence[int]) -> list[int]:
        """CTC's rule: repeats merged, then blanks dropped."""
        return [token for token, _ in groupby(frames) if token != self.blank]

    def trimmed(self, ids: Sequence[int]) -> list[int]:
        """``ids`` without word delimiters at the ends and with single ones inside: what is left after ``str.split``."""
        if self.delimiter is None:
            return list(ids)
        mark = self.tokens.index(self.delimiter)
        words = [list(group) for is_mark, group in groupby(ids, key=lambda token: token == mark) if not is_mark]
        return [token for index, word in enumerate(words) for token in ([mark, *word] if index else word)]

    def decode(self, frames: Sequence[int]) -> str:
        """The text that per-frame token ids spell."""
        words = (
            "".join(" " if self.tokens[token] == self.delimiter else self.tokens[token] for token in self.collapse(frames))
        ).split()
        return " ".join(words)


def frames_needed(ids: Sequence[int]) -> int:
    """The fewest frames that can spell ``ids``: one each, and a blank between equal neighbours."""
    return len(ids) + sum(left == right for left, right in pairwise(ids))


def align(log_probs: npt.NDArray[np.float32], ids: Sequence[int], blank: int) -> npt.NDArray[np.int64]:
    """The likeliest CTC alignment (Viterbi).

    Args:
        log_probs: float (frames, vocabulary).
        ids: tokens to spell, [] for all blanks; ``frames_needed(ids) <= frames``.
        blank: index of the blank.

    Returns:
        int64 (frames,): the token wanted of each frame.
    """
    states = np.full(2 * len(ids) + 1, blank, dtype=np.int64)
    states[1::2] = ids
    frames, count = len(log_probs), len(states)
    emitted = log_probs[:, states].astype(np.float64)
    # A blank may be skipped between two different tokens.
    skippable = np.zeros(count, dtype=bool)
    skippable[2:] = (states[2:] != blank) & (states[2:] != states[:-2])
    score = np.full(count, -np.inf)
    score[:2] = emitted[0, :2]
    moves = np.zeros((frames, count), dtype=np.int64)
    options = np.full((3, count), -np.inf)
    for frame in range(1, frames):
        options[0] = score
        options[1, 1:] = score[:-1]
        options[2, 2:] = np.where(skippable[2:], score[:-2], -np.inf)
        moves[frame] = options.argmax(axis=0)
        score = options.max(axis=0) + emitted[frame]
    state = count - 1 if count == 1 or score[-1] >= score[-2] else count - 2
    path = np.empty(frames, dtype=np.int64)
    for frame in range(frames - 1, -1, -1):
        path[frame] = states[state]
        state -= int(moves[frame, state])
    return path


def edit_distance(left: Sequence[int], right: Sequence[int]) -> int:
    """Levenshtein distance between two token sequences."""
    row = list(range(len(right) + 1))
    for index, token in enumerate(left, start=1):
        previous, row[0] = row[0], index
        for column, other in enumerate(right, start=1):
            previous, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, previous + (token != other))
    return row[-1]
