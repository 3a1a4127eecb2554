"""Languages: the code that a tag or a name stands for, the code that a model has for it, and the unit in which errors count.

The only place that reads what a user calls a language: ``en-US``, ``en_GB``, ``EN``, ``eng``, ``English`` are all ``en``.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Literal

from langcodes import Language, closest_supported_match, standardize_tag
from langcodes.tag_parser import LanguageTagError

from voiceattack.errors import SpecError

__all__ = ["error_unit", "language_code", "model_code", "rate_name"]

NO_LANGUAGE = frozenset({"und", "mul", "mis", "zxx"})
"""Codes of ISO 639 that stand for several, unknown or no languages."""
UNSPACED = frozenset({"Hans", "Hant", "Hani", "Jpan", "Hira", "Kana", "Bopo", "Thai", "Laoo", "Mymr", "Khmr", "Tibt", "Lana"})
"""Scripts written without spaces between words (Unicode's line breaking class SA, ideographs, Tibetan)."""
SAME_LANGUAGE = 4
"""CLDR's distance up to which two codes name one language (``nb`` and ``no`` are 1 apart, Swiss German and German 4 and more)."""


def language_code(given: str, where: str = "") -> str:
    """The code of the language that ``given`` names, in lower case and without region or script: ``en``, ``pt``, ``yue``.

    Args:
        given: a BCP 47 tag (``en-US``, ``zh-Hant``), one with underscores (``en_GB``, ``pt_BR.UTF-8``), a code of two or three
            letters in any case (``EN``, ``eng``), or one of the English names that Whisper knows (``English``, ``mandarin``).
        where: what it was given to, which begins the error message.

    Raises:
        SpecError: it names no language.
    """
    code = _code(given.strip()) if isinstance(given, str) else None
    if code is None:
        begin = f"{where}: " if where else ""
        raise SpecError(f"{begin}language {given!r} is not known; give a code as en, a tag as pt-BR, or a name as English")
    return code


@lru_cache(maxsize=512)
def _code(given: str) -> str | None:
    try:
        found = Language.get(given.partition(".")[0].partition("@")[0])
        # Private tags (x-...) are well-formed and say nothing.
        if found.is_valid() and found.language and "-" not in found.language:
            return None if found.language in NO_LANGUAGE else found.language
    except LanguageTagError:
        pass
    return _names().get(" ".join(given.lower().split()))


def _tag(given: str) -> str:
    """``given`` written as a tag should be, region and script kept; as it is where it is a name."""
    try:
        return standardize_tag(given)
    except LanguageTagError:
        return given


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    # Slow to import, and asked only for what is no tag.
    from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

    return {name: str(Language.get(code).language) for name, code in TO_LANGUAGE_CODE.items()}


def model_code(given: str, known: Collection[str], where: str) -> str:
    """The code under which a model has the language that ``given`` names: ``no`` for ``nb``, ``pt-BR`` for
    ``pt_BR`` where it has that.

    Args:
        given: see :func:`language_code`.
        known: the model's codes.
        where: the model's spec, for the message.

    Raises:
        SpecError: it names no language, or none of the model's.
    """
    code = language_code(given, where)
    for own in (given, _tag(given), code):
        if own in known:
            return own
    found = closest_supported_match(code, sorted(known), max_distance=SAME_LANGUAGE)
    if found is None:
        listed = ", ".join(sorted(known))
        raise SpecError(f"{where}: language={given!r} ({code}) is not one of the model's; it has: {listed or 'English only'}")
    return str(found)


@lru_cache(maxsize=512)
def error_unit(language: str) -> Literal["word", "character"]:
    """What an error rate of transcripts in ``language`` counts: characters where words are not set apart by spaces (Chinese,
    Japanese, Thai, Lao, Burmese, Khmer, Tibetan, ...; as Radford et al. 2022 do), else words."""
    return "character" if Language.get(language_code(language)).maximize().script in UNSPACED else "word"


def rate_name(language: str) -> Literal["WER", "CER"]:
    """The name of the error rate of transcripts in ``language``, for people; see :func:`error_unit`."""
    return "CER" if error_unit(language) == "character" else "WER"
