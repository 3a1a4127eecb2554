"""The lines of a run's files: what was made (:class:`Example`, examples.jsonl) and how it was heard (:class:`Result` and
:class:`TextResult`, results.jsonl). Anybody may have edited the files, so every line is checked when it is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    WrapValidator,
    model_validator,
)
from typing_extensions import Self

from voiceattack.languages import error_unit
from voiceattack.metrics import metrics
from voiceattack.metrics.error_rate import ErrorRate
from voiceattack.metrics.text import WordErrors, letters, normalize, word_errors
from voiceattack.runs.record_types import Count, Number, Record, Text, check_numbers, shaped_as, unchanged
from voiceattack.runs.timing import Timing

__all__ = [
    "BASELINE_KEYS",
    "SCORED",
    "TEXT_MEASURES",
    "AnyResult",
    "Drawn",
    "Example",
    "Result",
    "TextResult",
    "corpus_cer",
    "unit_notes",
]

Outcome = Literal["fooled", "held", "no_effect", "clean_wrong", "error", "made"]
SCORED = frozenset({"fooled", "held", "no_effect"})
"""Outcomes that success rates are over: errors, and what went wrong when clean already, say nothing about an attack."""


class Example(BaseModel):
    """One line of examples.jsonl: one artefact, or what prevented it (``error``).

    Paths are relative to the run directory; ``source`` is as the user gave it. ``sha256`` is of the artefact's file bytes,
    ``source_sha256`` of the source file's. ``control_for`` is the id of the example whose SNR this noise control matches.
    ``critical_terms`` are those that the clip's manifest names. ``stage_of`` is the id of the example on whose way this one
    was met, at another SNR; figures leave it out, curves use it.
    """

    model_config = ConfigDict(extra="forbid")

    id: str
    source: str
    source_sha256: str
    audio: str | None
    clean_audio: str | None
    source_victim: str
    attack: str
    params: dict[str, Any]
    objective: str
    target: str | None
    reference: str | None
    clean_hypothesis: str | None
    control_for: str | None
    stage_of: str | None = None
    steps: int
    queries: int
    seconds: float
    seed: int
    sha256: str | None
    recipe: dict[str, Any]
    critical_terms: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    trace: list[dict[str, Any]] = Field(default_factory=list)
    error: str | None = None


class Drawn(Record):
    """What every recipe says of how an artefact was made."""

    batch: list[str] = Field(default_factory=list)
    draws: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    pcm_sha256: str = Field("", pattern="^([0-9a-f]{64})?$")
    source_sha256: str = Field("", pattern="^([0-9a-f]{64})?$")
    wer_threshold: float = 0.5
    repeat: Count | None = None


class _Params(Record):
    severity: int | None = None


class _Evidence(Record):
    answer: Text | None = None
    changes: list[dict[str, Any]] = Field(default_factory=list)


class _Edit(Record):
    start: Count
    end: Count
    old: Text
    new: Text
    words: Count
    distance: Number


Recipe = Annotated[dict[str, Any], shaped_as(Drawn)]
Evidence = Annotated[dict[str, Any], shaped_as(_Evidence)]


class AnyResult(Record):
    """One line of results.jsonl: one artefact as one victim took it. Frozen.

    Keys that are no field here are the metrics of the pair, among them those of other packages: see :attr:`values`.
    """

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False, frozen=True)
    _keys: tuple[str, ...] = PrivateAttr(())

    id: Text
    audio: Text | None = None
    clean_audio: Text | None = None
    objective: Text
    target: Text | None = None
    outcome: Outcome
    success: bool | None = None
    queries: Count
    seconds: Annotated[float, WrapValidator(unchanged)]
    seed: Count
    recipe: Recipe
    warnings: list[Text] = Field(default_factory=list)
    error: Text | None = None
    critical_terms: Count | None = None
    critical_term_errors: Count | None = None
    critical_term_errors_clean: Count | None = None
    critical_terms_missed: list[Text] = Field(default_factory=list)
    evidence: Evidence | None = None
    clean_evidence: Evidence | None = None

    @classmethod
    def _measures(cls) -> Iterable[str]:
        """Keys that are no fields and hold numbers."""
        return ()

    @model_validator(mode="wrap")
    @classmethod
    def _ordered(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        result = handler(value)
        if isinstance(value, Mapping):
            check_numbers(value, cls._measures())
            result._keys = tuple(value)
        return result

    def as_json(self) -> dict[str, Any]:
        """The line as an object, with the keys it was made or read with, in their order."""
        given = {**self.__dict__, **self.values}
        return {key: given[key] for key in dict.fromkeys((*self._keys, *self.model_fields_set))}

    def _get(self, key: str) -> Any:
        values = self.values  # first, since another package's metric may be called "copy"
        return values[key] if key in values else getattr(self, key, None)

    @property
    def values(self) -> Mapping[str, Any]:
        """Metrics of the pair by name, None where undefined; transcripts' error rates are fields of their own."""
        return self.model_extra or {}

    def value(self, name: str) -> float | None:
        """The number under this key of the line, a metric's or another; None where it has none."""
        found = self._get(name)
        return found if isinstance(found, (int, float)) else None

    @property
    def is_control(self) -> bool:
        """Whether it is noise as loud as an artefact, not an attack's artefact."""
        return False

    @property
    def is_stage(self) -> bool:
        """Whether it was met on the way to another, or is the noise of one that was: figures leave it out, curves use it."""
        return False

    @property
    def is_final(self) -> bool:
        """Whether it is an attack's answer: no control and no stage."""
        return not self.is_control and not self.is_stage

    @property
    def failed(self) -> bool:
        """Whether crafting or hearing failed."""
        return self.outcome == "error"

    @property
    def scored(self) -> bool:
        """Whether success rates count it."""
        return self.outcome in SCORED


class Result(AnyResult):
    """One line of results.jsonl of audio.

    ``victim`` listened, ``source_victim`` was attacked. ``control_for`` and ``stage_of`` are those of :class:`Example`.
    ``language`` is the victim's; results of versions that did not write it are of English.
    """

    victim: Text
    source_victim: Text
    language: Annotated[Text, BeforeValidator(lambda given: "en" if given in (None, "") else given)] = "en"
    attack: Text
    params: Annotated[dict[str, Any], shaped_as(_Params)]
    control_for: Text | None
    stage_of: Text | None = None
    reference: Text | None
    reference_source: Text | None
    clean_hypothesis: Text | None
    hypothesis: Text | None
    clean_hypothesis_normalized: Text | None
    hypothesis_normalized: Text | None
    wer_clean: Number
    wer: Number
    cer: Number
    wer_raw: Number = None
    nulls: dict[str, Text] = Field(default_factory=dict)
    steps: Count
    sha256: Text | None = None
    trace: list[dict[str, Any]] = Field(default_factory=list)
    timing: Annotated[dict[str, Any], shaped_as(Timing)] | None = None
    reference_action: Text | None = None
    clean_action: Text | None = None
    action: Text | None = None
    action_error: bool | None = None
    intent_error: bool | None = None
    slot_errors: Count | None = None
    slots: Count | None = None

    @classmethod
    def _measures(cls) -> Iterable[str]:
        return [metric.name for metric in metrics() if metric.over == "clips"]

    @model_validator(mode="after")
    def _heard(self) -> Self:
        texts = ("reference", "clean_hypothesis", "hypothesis", "clean_hypothesis_normalized", "hypothesis_normalized")
        missing = [name for name in (*texts, "audio", "clean_audio") if getattr(self, name) is None]
        if self.outcome != "error" and missing:
            raise ValueError(f"{missing[0]} is missing, though the outcome is {self.outcome}")
        if self.is_corruption and self.severity is None:
            raise ValueError("params.severity is missing, and a corruption has one")
        if self.outcome != "error" and (self.wer is None) != (self.cer is None):
            raise ValueError("wer and cer must be there both or neither")
        return self

    @property
    def is_control(self) -> bool:
        return self.control_for is not None

    @property
    def is_stage(self) -> bool:
        return self.stage_of is not None

    @property
    def is_corruption(self) -> bool:
        """Whether it is an artefact of a corruption, or a stage of one: no control."""
        return self.attack.startswith("corruption:") and not self.is_control

    @property
    def severity(self) -> int | None:
        """Of a corruption."""
        found: int | None = self.params.get("severity")
        return found

    @property
    def transcribed(self) -> bool:
        """Whether it was heard and has an error rate: its reference holds words."""
        return not self.failed and self.wer is not None

    @property
    def has_reference(self) -> bool:
        """Whether a text says what is said; where the clean transcript stands for it, that has no errors against itself."""
        return self.reference_source != "clean transcript"

    @property
    def acted(self) -> bool:
        """Whether its victim takes actions and took, or did not take, one."""
        return self.action_error is not None

    @property
    def snr_db(self) -> float | None:
        """Of the artefact; None where it is undefined."""
        found: float | None = self.values.get("snr_db")
        return found

    @property
    def normalized_reference(self) -> str:
        """The words said, normalised as the victim's language asks; empty without any."""
        return normalize(self.reference or "", self.language)

    @property
    def normalized_hypothesis(self) -> str:
        """The words heard in the artefact, normalised like :attr:`normalized_reference` by this version: results of an earlier
        one, whose ``hypothesis_normalized`` may differ, are compared like with like."""
        return self._normalized(self.hypothesis, self.hypothesis_normalized)

    @property
    def normalized_clean_hypothesis(self) -> str:
        """The words heard in the clean clip, normalised likewise."""
        return self._normalized(self.clean_hypothesis, self.clean_hypothesis_normalized)

    def _normalized(self, raw: str | None, kept: str | None) -> str:
        return kept or "" if raw is None else normalize(raw, self.language)

    def word_errors(self) -> WordErrors:
        """Of the artefact. Raises ValueError when the reference holds no word."""
        return word_errors(self.normalized_reference, self.normalized_hypothesis)

    def clean_word_errors(self) -> WordErrors:
        """Of the clean clip. Raises ValueError when the reference holds no word."""
        return word_errors(self.normalized_reference, self.normalized_clean_hypothesis)

    @property
    def reference_letters(self) -> int:
        """How many characters of the reference :attr:`cer` is over."""
        return letters(self.normalized_reference, self.language)

    def baseline_entry(self) -> dict[str, Any]:
        """The line in brief, as summary.json keeps it: enough to compare two runs example by example without their audio.

        Returns:
            :data:`BASELINE_KEYS`, and ``words, errors, clean_errors``: counts of words said and misheard, None without a
            transcript.
        """
        counts: dict[str, Any] = dict.fromkeys(("words", "errors", "clean_errors"))
        if self.transcribed:
            heard, clean = self.word_errors(), self.clean_word_errors()
            counts = {"words": heard.reference_words, "errors": heard.errors, "clean_errors": clean.errors}
        return {**{name: getattr(self, name) for name in BASELINE_KEYS}, **counts}


BASELINE_KEYS = ("id", "victim", "source_victim", "attack", "objective", "target", "outcome", "success", "snr_db", "hypothesis")


TEXT_MEASURES = (
    *("edit_distance", "words_touched", "words_share"),
    *("semantic_similarity", "visual_similarity", "phonetic_distance"),
)
"""How much a text was changed, as :mod:`voiceattack.text.measures.sizes` measures it."""


class TextResult(AnyResult):
    """One line of results.jsonl of texts; ``victim`` is None where nobody was asked."""

    victim: Text | None
    source_victim: Text | None
    source: Text
    text: Text
    text_sha256: Text | None = None
    expected: Text | None
    perturbed: Text | None
    edits: Annotated[list[Annotated[dict[str, Any], shaped_as(_Edit)]], Field()]
    perturbation: Text
    search: Text | None
    clean_answer: Text | None
    answer: Text | None
    clean_heard: Text | None
    heard: Text | None
    effect: Text | None

    @classmethod
    def _measures(cls) -> Iterable[str]:
        return TEXT_MEASURES

    @property
    def scored(self) -> bool:
        return self.victim is not None and super().scored


def corpus_cer(results: Iterable[Result]) -> float | None:
    """Character error rate over all characters of the references; None without one. Results without a CER are left out."""
    rate = ErrorRate()
    for result in results:
        if result.cer is not None:
            length = result.reference_letters
            rate.add(result.cer * length, length)
    return rate.compute()


def unit_notes(heard: Iterable[tuple[str, str]]) -> list[str]:
    """A line for each victim, given with its language, whose errors are counted in characters: what its WER is."""
    return [
        f"{victim} hears {language}, which sets no words apart: its error rates, WER and --wer-threshold, count characters (CER)"
        for victim, language in dict.fromkeys(heard)
        if error_unit(language) == "character"
    ]
