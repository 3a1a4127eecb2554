"""The figures that gates speak of, each with its 95% interval and its worst example: medians of metrics, and a function and a
line in ``_OWN`` each for the others."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from voiceattack.attacks import ATTACKS
from voiceattack.attacks.base import MinimizationAttack
from voiceattack.errors import VoiceAttackError
from voiceattack.evaluate.timing import FIGURES
from voiceattack.metrics import Metric, columns
from voiceattack.metrics.error_rate import ErrorRate
from voiceattack.metrics.intervals import bootstrap_order, bootstrap_ratio, poisson
from voiceattack.metrics.repetition import loops
from voiceattack.metrics.text import cer, letters, word_errors
from voiceattack.runs.timing import timing_of
from voiceattack.suite.figures import Condition, Figure, FigureKind, left_out, nothing, quietest_first, rate
from voiceattack.suite.samples import Sample, of_kind

__all__ = ["UNTRIED", "all_figures", "always"]

UNSCORED = "no artefact was scored: the clean clips are misheard already, or all failed"
UNTRIED = "no artefact has these sizes: nothing was tried there"


@dataclass(frozen=True)
class _Clip:
    """One clip and the attempts on it that count at the sizes asked for; ``tried`` is False when none was made there."""

    final: Sample
    within: list[Sample]
    tried: bool


def _clips(samples: Sequence[Sample], condition: Condition, kind: Literal["attack", "control"] = "attack") -> list[_Clip]:
    """The clips scored, each with its artefacts that meet the condition; a search for the smallest has tried every size."""
    found: dict[tuple[str, str, str, int | None], list[Sample]] = {}
    for sample in of_kind(samples, kind):
        if sample.result.scored and sample.result.wer is not None:
            found.setdefault((sample.victim, sample.attack, sample.clip, sample.seed), []).append(sample)
    clips = []
    for members in found.values():
        final = next((sample for sample in members if sample.final), None)
        if final is not None:
            within = [sample for sample in members if condition(sample)]
            clips.append(_Clip(final, within, bool(within) or _searches_sizes(final.registered)))
    return clips


def _searches_sizes(attack: str) -> bool:
    try:
        return issubclass(ATTACKS.get(attack), MinimizationAttack)
    except VoiceAttackError:  # results of an attack that is not installed here
        return False


def always(sample: Sample) -> bool:
    """The condition of a gate without ``at``: the attack's answer, not what it met on the way."""
    return sample.final


def success_rate(samples: Sequence[Sample], condition: Condition) -> Figure:
    """Share of clips fooled by an artefact within the sizes asked for."""
    return _success(samples, condition, "attack")


def control_success_rate(samples: Sequence[Sample], condition: Condition) -> Figure:
    """The same of noise of the artefacts' SNR."""
    return _success(samples, condition, "control")


def _success(samples: Sequence[Sample], condition: Condition, kind: Literal["attack", "control"]) -> Figure:
    clips = _clips(samples, condition, kind)
    tried = [clip for clip in clips if clip.tried]
    hits = [sample for clip in tried for sample in clip.within if sample.result.success]
    best: dict[Any, Sample] = {}
    for hit in hits:
        key = (hit.victim, hit.attack, hit.clip, hit.seed)
        if key not in best or (hit.snr_db or -math.inf) > (best[key].snr_db or -math.inf):
            best[key] = hit
    figure = rate(list(best.values()), [clip.final for clip in tried], _untried(clips))
    if figure.value is None:
        return figure
    left = [left_out(len(clips) - len(tried), "not tried at these sizes"), _misheard(samples, kind)]
    return replace(figure, note="; ".join(filter(None, left)))


def _misheard(samples: Sequence[Sample], kind: Literal["attack", "control"]) -> str:
    wrong = sum(s.final and s.result.outcome == "clean_wrong" for s in of_kind(samples, kind))
    return left_out(wrong, "misheard before any attack")


def _untried(clips: Sequence[_Clip]) -> str:
    return UNTRIED if clips else UNSCORED


def _word_rate(key: str, capped: bool = False) -> Callable[[Sequence[Sample], Condition], Figure]:
    """An error rate over words, or characters where the victim's language sets no words apart."""

    def count(sample: Sample) -> tuple[int, int]:
        found = word_errors(sample.row.normalized_reference, sample.row.normalized_hypothesis)
        return min(found.errors, found.reference_words) if capped else found.errors, found.reference_words

    return _error_rate(count, key)


def _letter_rate(key: str) -> Callable[[Sequence[Sample], Condition], Figure]:
    """An error rate over characters."""

    def count(sample: Sample) -> tuple[int, int]:
        words, language = sample.row.normalized_reference, sample.row.language
        length = letters(words, language)
        return round(cer(words, sample.row.normalized_hypothesis, language) * length), length

    return _error_rate(count, key)


def _error_rate(count: Callable[[Sample], tuple[int, int]], key: str) -> Callable[[Sequence[Sample], Condition], Figure]:
    def compute(samples: Sequence[Sample], condition: Condition) -> Figure:
        clips = _heard(samples, condition, key)
        counted = ErrorRate()
        for sample in clips:
            counted.add(*count(sample))
        if not clips:
            return nothing("no clip with a reference was heard")
        return _error_figure(counted, clips)

    return compute


def _error_figure(counted: ErrorRate, clips: Sequence[Sample]) -> Figure:
    """The figure of clips counted in this order."""
    wrong = [one for one in zip(counted.errors, counted.lengths, clips, strict=True) if one[0]]
    wrong.sort(key=lambda one: -one[0] / one[1])
    return Figure(counted.compute(), counted.interval(), tuple(clips), tuple(clip for _, _, clip in wrong))


def _heard(samples: Sequence[Sample], condition: Condition, key: str) -> list[Sample]:
    if key == "clean":
        return [s for s in of_kind(samples, "clean") if not s.row.failed and s.row.normalized_reference]
    kind: Literal["attack", "control"] = "control" if key == "control" else "attack"
    members = [s for s in of_kind(samples, kind) if s.result.transcribed and condition(s)]
    worst: dict[Any, Sample] = {}
    for sample in members:  # of several artefacts within the sizes the one that did most harm, as robustness curves take it
        place = (sample.victim, sample.attack, sample.clip, sample.seed)
        if place not in worst or (sample.row.wer or 0.0) > (worst[place].row.wer or 0.0):
            worst[place] = sample
    return list(worst.values())


def _snr_to_fool(pick: Callable[[Sequence[float]], float]) -> Callable[[Sequence[Sample], Condition], Figure]:
    def compute(samples: Sequence[Sample], condition: Condition) -> Figure:
        found: dict[Any, list[Sample]] = {}
        for sample in of_kind(samples, "attack"):
            if sample.result.scored and sample.result.wer is not None:
                found.setdefault((sample.victim, sample.attack, sample.clip, sample.seed), []).append(sample)
        if not found:
            return nothing(UNSCORED)
        best = [
            max((snr for s in members if s.result.success and (snr := s.snr_db) is not None), default=-math.inf)
            for members in found.values()
        ]
        value = pick(best)
        fooled = [[s for s in members if s.result.success and s.snr_db is not None] for members in found.values()]
        against = quietest_first([max(hits, key=lambda s: s.snr_db or 0.0) for hits in fooled if hits])
        never = f"{best.count(-math.inf)} of {len(best)} clips were never fooled" if -math.inf in best else ""
        over = tuple(members[0] for members in found.values())
        note = "; ".join(filter(None, [never, _misheard(samples, "attack")]))
        return Figure(value, bootstrap_order(best, pick), over, against, note)

    return compute


def _median(values: Sequence[float]) -> float:
    return float(statistics.median_low(values))  # no mean of a number and "never"


def _size_median(metric: Metric) -> Callable[[Sequence[Sample], Condition], Figure]:
    name = metric.name
    most_first = metric.better == "lower"

    def compute(samples: Sequence[Sample], condition: Condition) -> Figure:
        known = [(s, s.result.value(name)) for s in of_kind(samples, "attack") if condition(s)]
        sizes = [(s, float(value)) for s, value in known if value is not None]
        if not sizes:
            return nothing(f"no artefact has a {name}")
        values = [value for _, value in sizes]
        against = tuple(sample for sample, _ in sorted(sizes, key=lambda one: one[1], reverse=most_first))
        return Figure(_median(values), bootstrap_order(values, _median), tuple(s for s, _ in sizes), against)

    return compute


def error_rate(samples: Sequence[Sample], condition: Condition) -> Figure:
    """Share of clips on which crafting or hearing failed."""
    members = [s for s in of_kind(samples, "attack") if s.final]
    return rate([s for s in members if s.result.failed], members, "nothing was attacked")


def strictly_masked_rate(samples: Sequence[Sample], condition: Condition) -> Figure:
    """Share of the artefacts that fool of which no time-frequency bin is above the masking threshold by more than 0.1 dB."""
    fooled = [s for s in of_kind(samples, "attack") if s.result.outcome == "fooled" and condition(s)]
    told = [s for s in fooled if s.result.value("strictly_masked") is not None]
    return rate([s for s in told if s.result.value("strictly_masked")], told, "no artefact fooled, so none can be hidden")


def false_transcript_rate(samples: Sequence[Sample], condition: Condition) -> Figure:
    """Share of clips without speech in which words are heard."""
    members = [s for s in of_kind(samples, "no-speech") if not s.row.failed]
    hits = sorted((s for s in members if s.heard.words), key=lambda s: -s.heard.words)
    return rate(hits, members, "no clip without speech was heard")


def invented_words_per_minute(samples: Sequence[Sample], condition: Condition) -> Figure:
    """Words heard in clips without speech, a minute of them."""
    members = [s for s in of_kind(samples, "no-speech") if not s.row.failed]
    if not members:
        return nothing("no clip without speech was heard")
    words, minutes = [s.heard.words for s in members], [(s.heard.audio_seconds or 0.0) / 60 for s in members]
    against = sorted((s for s in members if s.heard.words), key=lambda s: -s.heard.words)
    interval = bootstrap_ratio(words, minutes)
    return Figure(sum(words) / sum(minutes), interval, tuple(members), tuple(against))


def false_accepts_per_hour(samples: Sequence[Sample], condition: Condition) -> Figure:
    """Times an hour that a wake word is heard in clips without speech; the interval is of a Poisson count."""
    members = [s for s in of_kind(samples, "no-speech") if not s.row.failed]
    told = [s for s in members if s.heard.wake_ups is not None]
    if not told:
        return nothing("the victim has no wake word" if members else "no clip without speech was heard")
    hours, woken = sum(s.heard.audio_seconds or 0.0 for s in told) / 3600, sum(s.heard.wake_ups or 0 for s in told)
    low, high = poisson(woken)
    against = sorted((s for s in told if s.heard.wake_ups), key=lambda s: -(s.heard.wake_ups or 0))
    return Figure(woken / hours, (low / hours, high / hours), tuple(told), tuple(against))


def repetition_loop_rate(samples: Sequence[Sample], condition: Condition) -> Figure:
    """Share of clips, without speech or adversarial, whose transcript repeats itself (:mod:`voiceattack.metrics.repetition`)."""
    quiet = [s for s in of_kind(samples, "no-speech") if not s.row.failed]
    attacked = [s for s in of_kind(samples, "attack") if not s.result.failed and s.final and condition(s)]
    members = [*quiet, *attacked]
    return rate([s for s in members if loops(s.row.normalized_hypothesis)], members, "nothing was heard")


def _flag_rate(name: str) -> Callable[[Sequence[Sample], Condition], Figure]:
    """Share of artefacts whose row says ``name`` is true; rows that do not say are left out."""

    def compute(samples: Sequence[Sample], condition: Condition) -> Figure:
        members = [s for s in of_kind(samples, "attack") if not s.result.failed and condition(s)]
        told = [s for s in members if s.result.value(name) is not None]
        return rate([s for s in told if s.result.value(name)], told, f"no result says {name}: the victim takes no action")

    return compute


def _ratio_of(above: str, below: str) -> Callable[[Sequence[Sample], Condition], Figure]:
    """``sum(above) / sum(below)`` over the artefacts whose rows have both."""

    def compute(samples: Sequence[Sample], condition: Condition) -> Figure:
        members = [s for s in of_kind(samples, "attack") if not s.result.failed and condition(s) and s.result.value(below)]
        if not members:
            return nothing(f"no result has {below}")
        counted = ErrorRate()
        for sample in members:
            counted.add(sample.result.value(above) or 0, sample.result.value(below) or 0)
        return _error_figure(counted, members)

    return compute


def _of_time(name: str) -> Callable[[Sequence[Sample], Condition], Figure]:
    """A percentile of times or tokens of the artefacts whose rows tell them."""
    value, pick = FIGURES[name]

    def compute(samples: Sequence[Sample], condition: Condition) -> Figure:
        timings = [(s, timing_of(s.result)) for s in of_kind(samples, "attack") if not s.result.failed and condition(s)]
        known = [(s, found) for s, one in timings if one is not None and (found := value(one)) is not None]
        if not known:
            notes = dict.fromkeys(one.note for _, one in timings if one is not None and one.note)
            why = "; ".join(notes) or "the victim does not tell, or the runs are of a version that did not record it"
            return nothing(f"no artefact has a {name.rpartition('_')[0]}: {why}")
        values = [found for _, found in known]
        against = tuple(sample for sample, _ in sorted(known, key=lambda one: -one[1]))
        left = len(timings) - len(known)
        note = f"{left} {'artefact' if left == 1 else 'artefacts'} without a figure left out" if left else ""
        return Figure(float(pick(values)), bootstrap_order(values, pick), tuple(s for s, _ in known), against, note)

    return compute


_OWN: dict[str, FigureKind] = {
    "wer_clean": FigureKind(_word_rate("clean"), "clean", "more", "word error rate of the clean clips, over the corpus"),
    "cer_clean": FigureKind(_letter_rate("clean"), "clean", "more", "character error rate of the clean clips"),
    "cer": FigureKind(_letter_rate("attack"), "attack", "more", "character error rate of the artefacts"),
    "wer": FigureKind(_word_rate("attack"), "attack", "more", "word error rate of the artefacts"),
    "wer_capped": FigureKind(_word_rate("attack", True), "attack", "more", "the same, at most one error a reference word"),
    "control_wer": FigureKind(_word_rate("control"), "attack", "more", "word error rate of noise of equal SNR"),
    "success_rate": FigureKind(success_rate, "attack", "more", "share of clips fooled"),
    "control_success_rate": FigureKind(control_success_rate, "attack", "more", "share of clips fooled by noise of equal SNR"),
    "max_snr_db_to_fool": FigureKind(
        _snr_to_fool(max), "attack", "more", "SNR of the quietest perturbation that works, on the clip easiest to attack"
    ),
    "median_snr_db_to_fool": FigureKind(_snr_to_fool(_median), "attack", "more", "the same, median over clips"),
    "min_snr_db_to_fool": FigureKind(_snr_to_fool(min), "attack", "more", "the same, the hardest clip"),
    "error_rate": FigureKind(error_rate, "attack", "more", "share of clips on which crafting or hearing failed"),
    "critical_term_error_rate": FigureKind(
        _ratio_of("critical_term_errors", "critical_terms"), "attack", "more", "share of critical terms said that are not heard"
    ),
    "action_error_rate": FigureKind(
        _flag_rate("action_error"), "attack", "more", "share of artefacts that make the assistant act wrongly"
    ),
    "strictly_masked_rate": FigureKind(
        strictly_masked_rate, "attack", "neither", "share of the artefacts that fool whose change is masked everywhere"
    ),
    "false_transcript_rate": FigureKind(
        false_transcript_rate, "no-speech", "more", "share of clips without speech in which words are heard"
    ),
    "invented_words_per_minute": FigureKind(
        invented_words_per_minute, "no-speech", "more", "words heard in clips without speech, a minute"
    ),
    "false_accepts_per_hour": FigureKind(
        false_accepts_per_hour, "no-speech", "more", "times an hour that a wake word is heard in clips without speech"
    ),
    "repetition_loop_rate": FigureKind(repetition_loop_rate, "no-speech", "more", "share of transcripts that repeat themselves"),
    "rtf_p50": FigureKind(_of_time("rtf_p50"), "attack", "more", "real-time factor of hearing the artefacts, median"),
    "rtf_p95": FigureKind(_of_time("rtf_p95"), "attack", "more", "the same, 95th percentile"),
    "latency_ratio_p50": FigureKind(
        _of_time("latency_ratio_p50"), "attack", "more", "seconds of hearing an artefact over those of its clean clip, median"
    ),
    "latency_ratio_p95": FigureKind(_of_time("latency_ratio_p95"), "attack", "more", "the same, 95th percentile"),
    "tokens_ratio_p50": FigureKind(
        _of_time("tokens_ratio_p50"), "attack", "more", "tokens written on an artefact over those on its clean clip, median"
    ),
    "tokens_ratio_max": FigureKind(_of_time("tokens_ratio_max"), "attack", "more", "the same, the most"),
}
_WORSE: dict[str, Literal["more", "less", "neither"]] = {"higher": "less", "lower": "more", "neither": "neither"}


def all_figures() -> dict[str, FigureKind]:
    """All figures by name: the median of every metric that says it has gates among them."""
    medians = {
        metric.median: FigureKind(_size_median(metric), "attack", _WORSE[metric.better], f"{metric.label} of the artefacts")
        for metric in columns("gates")
    }
    return {**_OWN, **medians}
