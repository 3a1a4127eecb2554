"""What run.json, summary.json, a baseline's versions and a recipe may hold when they are read again: anybody may have edited
them, and everything downstream relies on it. The models check and nothing else: values stay the dictionaries of the files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator
from typing_extensions import Self

from voiceattack.attacks.options import SearchOptions
from voiceattack.metrics import columns
from voiceattack.runs.record_types import Count, Number, Record, Text, check, check_numbers
from voiceattack.runs.records import Drawn

__all__ = ["check_info", "check_made_with", "check_summary", "recipe_of"]


class _Request(SearchOptions, Record):
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


class _Info(Record):
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


class _Recipe(SearchOptions, Drawn):
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


class _Group(Record):
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


class _Time(Record):
    n: Count

    @model_validator(mode="after")
    def _figures(self) -> Self:
        check_numbers(self.model_extra or {}, self.model_extra or {})
        return self


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
    steps_total: Count
    time: _Time | None = None

    @model_validator(mode="after")
    def _medians(self) -> Self:
        check_numbers(self.model_extra or {}, (metric.median for metric in columns("summary")))
        return self


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


class _MadeWith(Record):
    versions: dict[str, str] | None = None
    platform: Text | None = None
    normalizer: Text | None = None


class _AudioSummary(Record):
    groups: list[_AudioGroup]
    warnings: list[Text]
    made_with: _MadeWith | None = None


class _TextSummary(Record):
    groups: list[_TextGroup]
    warnings: list[Text]


def check_info(info: Any) -> None:
    """Raise RecordError when run.json holds what it cannot."""
    check(_Info, info)


def check_summary(summary: dict[str, Any], kind: str | None) -> dict[str, Any]:
    """The object of summary.json; raises RecordError when it holds what it cannot.

    Args:
        summary: the file's object.
        kind: of the run, as its request says: ``text``, or None for audio.
    """
    check(_TextSummary if kind == "text" else _AudioSummary, summary)
    return summary


def check_made_with(facts: Any) -> None:
    """Raise RecordError when what a summary or baseline says of its versions is something else."""
    check(_MadeWith, facts)


def recipe_of(recipe: Mapping[str, Any]) -> Mapping[str, Any]:
    """The recipe of an example, with all that is needed to craft it again; raises RecordError when it has not."""
    check(_Recipe, recipe)
    return recipe
