"""What a run's files may hold when they are read again: anybody may have edited them, and everything downstream relies on it.

The models check and nothing else: rows stay the dictionaries that the files hold, with whatever else is in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from typing_extensions import Self

from voiceattack.attacks.options import SearchOptions

__all__ = ["RecordError", "check_info", "check_made_with", "check_row", "check_summary", "recipe_of"]

Text = Annotated[str, Field(max_length=10_000_000)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Number = float | None
Outcome = Literal["fooled", "held", "no_effect", "clean_wrong", "error", "made"]


class RecordError(ValueError):
    """Which value of a record is not what it must be, in one line."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


class _Request(SearchOptions, _Record):
    kind: Text | None = None
    victim: Text | None = None
    attack: Text | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    objective: Text | None = None
    target: Text | None = None
    wer_threshold: float = 0.5
    budget: dict[str, float | str] = Field(default_factory=dict)
    seed: Count = 0
    speak: Text | bool | None = None
    interpreter: Text | None = None


class _Info(_Record):
    """run.json."""

    request: _Request
    run_id: Text
    versions: dict[str, str] = Field(default_factory=dict)
    platform: Text | None = None
    git_commit: Text | None = None
    normalizer: Text | None = None
    created: Text | None = None
    earlier: list[dict[str, Any]] = Field(default_factory=list)
    victims: dict[str, dict[str, Any]] = Field(default_factory=dict)


class _Drawn(_Record):
    batch: list[str] = Field(default_factory=list)
    draws: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    pcm_sha256: str = Field("", pattern="^([0-9a-f]{64})?$")
    source_sha256: str = Field("", pattern="^([0-9a-f]{64})?$")
    wer_threshold: float = 0.5
    repeat: Count | None = None


class _Recipe(SearchOptions, _Drawn):
    """What :mod:`voiceattack.craft.replay` needs of a recipe."""

    victim: Text
    attack: Text
    params: dict[str, Any]
    objective: Text
    target: Text | None
    wer_threshold: float
    budget: dict[str, Any]
    seed: Count
    batch: list[str] = Field(min_length=1)
    stage_snr_db: float | None = None


class _Params(_Record):
    severity: int | None = None


class _Evidence(_Record):
    answer: Text | None = None
    changes: list[dict[str, Any]] = Field(default_factory=list)


class _Row(_Record):
    """What rows of every kind of run have."""

    id: Text
    audio: Text | None = None
    clean_audio: Text | None = None
    objective: Text
    target: Text | None = None
    outcome: Outcome
    success: bool | None = None
    queries: Count
    seconds: float
    seed: Count
    recipe: _Drawn
    warnings: list[Text] = Field(default_factory=list)
    error: Text | None = None
    critical_terms: Count | None = None
    critical_term_errors: Count | None = None
    critical_term_errors_clean: Count | None = None
    critical_terms_missed: list[Text] = Field(default_factory=list)
    evidence: _Evidence | None = None
    clean_evidence: _Evidence | None = None


class _AudioRow(_Row):
    victim: Text
    source_victim: Text
    language: Text | None = None
    attack: Text
    params: _Params
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
    snr_db: Number = None
    linf: Number = None
    db_x: Number = None
    pesq: Number = None
    stoi: Number = None
    masking_excess_db: Number = None
    nulls: dict[str, Text] = Field(default_factory=dict)
    steps: Count
    sha256: Text | None = None
    trace: list[dict[str, Any]] = Field(default_factory=list)
    reference_action: Text | None = None
    clean_action: Text | None = None
    action: Text | None = None
    action_error: bool | None = None
    intent_error: bool | None = None
    slot_errors: Count | None = None
    slots: Count | None = None

    @model_validator(mode="after")
    def _heard(self) -> Self:
        texts = ("reference", "clean_hypothesis", "hypothesis", "clean_hypothesis_normalized", "hypothesis_normalized")
        missing = [name for name in (*texts, "audio", "clean_audio") if getattr(self, name) is None]
        if self.outcome != "error" and missing:
            raise ValueError(f"{missing[0]} is missing, though the outcome is {self.outcome}")
        if self.attack.startswith("corruption:") and self.control_for is None and self.params.severity is None:
            raise ValueError("params.severity is missing, and a corruption has one")
        if self.outcome != "error" and (self.wer is None) != (self.cer is None):
            raise ValueError("wer and cer must be there both or neither")
        return self


class _Edit(_Record):
    start: Count
    end: Count
    old: Text
    new: Text
    words: Count
    distance: Number


class _TextRow(_Row):
    victim: Text | None
    source_victim: Text | None
    source: Text
    text: Text
    expected: Text | None
    perturbed: Text | None
    edits: list[_Edit]
    edit_distance: Number = None
    words_touched: Number = None
    words_share: Number = None
    semantic_similarity: Number = None
    visual_similarity: Number = None
    phonetic_distance: Number = None
    perturbation: Text
    search: Text | None
    clean_answer: Text | None
    answer: Text | None
    clean_heard: Text | None
    heard: Text | None
    effect: Text | None


class _Group(_Record):
    victim: Text | None
    source_victim: Text | None
    objective: Text
    n: Count
    n_scored: Count
    n_no_effect: Count
    n_clean_wrong: Count
    n_error: Count
    success_rate: Number
    success_ci95: list[float] | None
    queries_total: Count
    seconds_total: float
    critical_terms: Count | None = None
    critical_term_error_rate: Number = None
    critical_term_ci95: list[float] | None = None
    critical_term_error_rate_clean: Number = None


class _AudioGroup(_Group):
    victim: Text
    source_victim: Text
    attack: Text
    target: Text | None
    severity: int | None = None
    is_control: bool
    wer_clean: Number
    wer: Number
    wer_capped: Number
    wer_ci95: list[float] | None
    cer: Number
    success_rate_clean_wrong: Number
    snr_db_median: Number
    linf_median: Number
    db_x_median: Number
    pesq_median: Number
    stoi_median: Number
    masking_excess_db_median: Number
    steps_total: Count


class _TextGroup(_Group):
    perturbation: Text
    n_flipped: Count
    n_voided: Count
    edit_distance_median: Number
    words_touched_median: Number
    words_share_median: Number
    semantic_similarity_median: Number
    visual_similarity_median: Number
    phonetic_distance_median: Number


class _MadeWith(_Record):
    versions: dict[str, str] | None = None
    platform: Text | None = None
    normalizer: Text | None = None


class _AudioSummary(_Record):
    groups: list[_AudioGroup]
    warnings: list[Text]
    made_with: _MadeWith | None = None


class _TextSummary(_Record):
    groups: list[_TextGroup]
    warnings: list[Text]


def check_info(info: Any) -> None:
    """Raise RecordError when run.json holds what it cannot."""
    _check(_Info, info)


def check_row(row: Mapping[str, Any], kind: str | None) -> None:
    """Raise RecordError when a line of results.jsonl holds what it cannot.

    Args:
        row: the line.
        kind: of the run, as its request says: ``text``, or None for audio.
    """
    _check(_TextRow if kind == "text" else _AudioRow, row)


def check_summary(summary: Mapping[str, Any], kind: str | None) -> None:
    """Raise RecordError when summary.json holds what it cannot; ``kind`` as for :func:`check_row`."""
    _check(_TextSummary if kind == "text" else _AudioSummary, summary)


def check_made_with(facts: Any) -> None:
    """Raise RecordError when what a summary or baseline says of its versions is something else."""
    _check(_MadeWith, facts)


def recipe_of(recipe: Mapping[str, Any]) -> Mapping[str, Any]:
    """The recipe of an example, with all that is needed to craft it again; raises RecordError when it has not."""
    _check(_Recipe, recipe)
    return recipe


def _check(model: type[BaseModel], value: Any) -> None:
    try:
        model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))[:100]
        message = str(first["msg"]).removeprefix("Value error, ")
        raise RecordError(f"{where}: {message}" if where else message) from error
