"""Synonyms from Princeton WordNet's own files (Miller 1995), where the user has them; read as text, nothing is downloaded.

Debian's package wordnet-base puts them into /usr/share/wordnet, NLTK's download into corpora/wordnet. Of each part of speech
there is an index (word, and the byte offsets of its synsets, the commonest sense first) and a data file (a synset a line).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from voiceattack.errors import SpecError
from voiceattack.files import read_bytes, read_text

__all__ = ["synonyms"]

PARTS = ("noun", "verb", "adj", "adv")


@lru_cache(maxsize=4096)
def synonyms(folder: str, word: str, senses: int) -> tuple[str, ...]:
    """The other members of the synsets of ``word`` (lower case), the commonest sense first; plurals in -s by their singular.

    Args:
        folder: of ``index.<part>`` and ``data.<part>``.
        word: one word.
        senses: how many synsets of each part of speech are looked up.

    Raises:
        SpecError: the files are missing or of another format.
    """
    found: list[str] = []
    ranks: dict[str, int] = {}
    for part in PARTS:
        forms = [(word, "")] + ([(word[:-1], "s")] if part == "noun" and word.endswith("s") and len(word) > 3 else [])
        for form, ending in forms:
            for rank, offset in enumerate(_index(folder, part).get(form, ())[:senses]):
                for member in _members(folder, part, offset):
                    name = member.replace("_", " ") + ending
                    if name not in ranks and name == name.lower() and not set(name.split()) & {word, form}:
                        ranks[name] = rank
                        found.append(name)
    return tuple(sorted(found, key=lambda name: ranks[name]))


@lru_cache(maxsize=8)
def _index(folder: str, part: str) -> dict[str, tuple[int, ...]]:
    """Word to the offsets of its synsets."""
    path = Path(folder) / f"index.{part}"
    table: dict[str, tuple[int, ...]] = {}
    try:
        for line in read_text(path).split("\n"):
            if line and not line.startswith(" "):  # the licence's lines begin with blanks
                fields = line.split()
                table[fields[0]] = tuple(map(int, fields[-int(fields[2]) :]))
    except (OSError, ValueError, IndexError) as error:
        raise SpecError(f"{path}: {_told(error)}") from error
    return table


@lru_cache(maxsize=8)
def _data(folder: str, part: str) -> bytes:
    path = Path(folder) / f"data.{part}"
    try:
        return read_bytes(path)
    except OSError as error:
        raise SpecError(f"{path}: {_told(error)}") from error


def _members(folder: str, part: str, offset: int) -> list[str]:
    """The words of the synset at a byte offset, in WordNet's case; markers such as ``(p)`` cut off."""
    data = _data(folder, part)
    try:
        fields = data[offset : data.index(b"\n", offset)].decode("utf-8").split()
        if int(fields[0]) != offset:
            raise ValueError(f"no synset at byte {offset}")
        return [word.partition("(")[0] for word in fields[4 : 4 + 2 * int(fields[3], 16) : 2]]
    except (ValueError, IndexError) as error:
        raise SpecError(f"{Path(folder) / f'data.{part}'}: {_told(error)}") from error


def _told(error: Exception) -> str:
    return f"no file of Princeton WordNet ({error}); give the folder of index.noun and data.noun (Debian: wordnet-base)"
