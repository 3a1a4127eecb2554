"""Repetition loops: a recogniser that says the same words over and over (a known failure of Whisper; Koenecke et al. 2024)."""

from __future__ import annotations

__all__ = ["LEAST", "loops", "most_in_a_row"]

LEAST = 4  # times in a row
LONGEST = 12  # words


def loops(text: str) -> bool:
    """Whether 1 to 12 words come at least four times in a row (a single word: six times, "no no no no" is speech).

    Args:
        text: a normalised transcript.
    """
    words = text.split()
    for size in range(1, min(LONGEST, len(words) // LEAST) + 1):
        needed = size * ((6 if size == 1 else LEAST) - 1)
        same = 0
        for index in range(size, len(words)):
            same = same + 1 if words[index] == words[index - size] else 0
            if same >= needed:
                return True
    return False


def most_in_a_row(text: str) -> int:
    """How often the same 1 to 12 words come in a row at most, >= 1 where there are any; a single word counts by two thirds.

    Args:
        text: a normalised transcript.
    """
    words = text.split()
    most = min(1, len(words))
    for size in range(1, min(LONGEST, len(words) // 2) + 1):
        same = 0
        for index in range(size, len(words)):
            same = same + 1 if words[index] == words[index - size] else 0
            times = same // size + 1
            most = max(most, times * LEAST // 6 if size == 1 else times)
    return most
