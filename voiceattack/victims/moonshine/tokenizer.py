"""Moonshine's ``tokenizer.bin``: tokens of a byte-pair encoding in the order in which they were merged (Sennrich et al. 2016).

A token is stored as its length (one byte, or two for 128 and more) and its UTF-8 bytes. Ids 3 to 258 are single bytes, for
what no token spells; a blank is written as U+2581, and one comes before the text, as SentencePiece does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from voiceattack.errors import VictimError
from voiceattack.files import read_bytes

__all__ = ["BytePairs"]

SPECIAL = 3
"""``<unk>``, ``<s>`` and ``</s>`` come first; then the 256 bytes."""
BLANK = "\u2581"


class BytePairs:
    """Texts to token ids and back.

    Args:
        tokens: their bytes, by id.
    """

    def __init__(self, tokens: Sequence[bytes]) -> None:
        self._tokens = list(tokens)
        self._ids: dict[bytes, int] = {}
        for index, token in enumerate(self._tokens[SPECIAL + 256 :], SPECIAL + 256):
            self._ids.setdefault(token, index)

    @classmethod
    def read(cls, path: Path) -> BytePairs:
        """From a file.

        Raises:
            VictimError: it cannot be read, or ends within a token.
        """
        try:
            data = read_bytes(path)
        except OSError as error:
            raise VictimError(f"{path}: {error}") from error
        tokens, place = [], 0
        while place < len(data):
            size, place = data[place], place + 1
            if size >= 128:
                if place >= len(data):
                    raise VictimError(f"{path}: ends within a token")
                size, place = data[place] * 128 + size - 128, place + 1
            tokens.append(data[place : place + size])
            place += size
        if place != len(data) or len(tokens) <= SPECIAL + 256:
            raise VictimError(f"{path}: is no list of tokens")
        return cls(tokens)

    def encode(self, text: str) -> list[int]:
        """Ids of a text, which begins a word; empty for none."""
        if not text.strip():
            return []
        pieces = [piece.encode() for piece in BLANK + text.strip().replace(" ", BLANK)]
        while True:
            pairs = [(self._ids.get(pieces[place] + pieces[place + 1]), place) for place in range(len(pieces) - 1)]
            known = [(index, place) for index, place in pairs if index is not None]
            if not known:
                break
            _, place = min(known)
            pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]
        found = []
        for piece in pieces:
            index = self._ids.get(piece)
            found += [SPECIAL + byte for byte in piece] if index is None else [index]
        return found

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special ones and those without a token skipped."""
        spelt = b"".join(self._tokens[index] for index in ids if SPECIAL <= index < len(self._tokens))
        return spelt.decode("utf-8", errors="replace").replace(BLANK, " ").strip()
