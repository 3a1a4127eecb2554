"""What a perturbation is: for each word of a text, the edits it offers. What to choose is the search's affair."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from voiceattack.errors import SpecError
from voiceattack.languages import language_code
from voiceattack.text.edits import Edit, Word, words_of

__all__ = ["Params", "Perturbation", "build"]


class Params(BaseModel):
    """Parameters of a perturbation; subclasses add theirs."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Perturbation(ABC):
    """Edits of single words, or of a word and its neighbours.

    Attributes:
        name: as registered.
        summary: one line.
        languages: codes it serves; None for any. Others are refused, never quietly left unchanged.
        imperceptible: whether a reader sees nothing, or nothing but a slightly other glyph.
        spoken: whether the change can be heard, so that it makes sense to speak the text.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    languages: ClassVar[frozenset[str] | None] = None
    imperceptible: ClassVar[bool] = False
    spoken: ClassVar[bool] = True

    def __init__(self, config: Params) -> None:
        self.config = config

    @property
    def params(self) -> dict[str, Any]:
        """All parameters, JSON-safe, for the record."""
        return self.config.model_dump(mode="json")

    def check_language(self, language: str) -> None:
        """Refuse a language that this perturbation does not serve.

        Raises:
            SpecError: so it is; the message names those it does.
        """
        if self.languages is not None and language_code(language) not in self.languages:
            known = ", ".join(sorted(self.languages))
            raise SpecError(f"perturbation {self.name!r} has no data for language {language!r}; it serves: {known}")

    @abstractmethod
    def options(self, text: str, words: list[Word], index: int) -> list[Edit]:
        """The edits offered at word ``index`` of ``text``, the least noticeable first; empty where there is none.

        Args:
            text: the clean text.
            words: its words.
            index: into ``words``.
        """

    def all_options(self, text: str) -> list[list[Edit]]:
        """The options of every word."""
        words = words_of(text)
        return [self.options(text, words, index) for index in range(len(words))]


def build(kind: type[Perturbation], params: dict[str, Any]) -> Perturbation:
    """An instance with its parameters checked; raises SpecError."""
    model = getattr(kind, "Params", Params)
    try:
        return kind(model(**params))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "parameters"
        known = ", ".join(model.model_fields) or "none"
        raise SpecError(f"perturbation {kind.name!r}: {where}: {first['msg']}; its parameters: {known}") from error
