"""Evaluate: hear the saved files back through victims, and score them. The artefact on disk is the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor

from voiceattack.audio import clips as audio
from voiceattack.audio.clips import Batch
from voiceattack.commands import command_line
from voiceattack.errors import RunError, SpecError, VoiceAttackError, as_error
from voiceattack.evaluate.summary import summarize
from voiceattack.evaluate.timing import HEARING_KIND, Hearing, Stopwatch, of_pair
from voiceattack.locks import locking
from voiceattack.metrics import columns, measure, measure_texts, metrics
from voiceattack.metrics.terms import term_facts, unsaid_notes
from voiceattack.metrics.text import NORMALIZER, cer, cut_note, normalize, spaced, word_errors
from voiceattack.objectives import Interpret, Objective, action_of, interpret_of
from voiceattack.progress import Progress, each
from voiceattack.runs.journal import Journal, mark_of, sound_digest
from voiceattack.runs.records import Example, Result
from voiceattack.runs.run import Run
from voiceattack.victims.base import Transcript, Victim
from voiceattack.victims.intent import Intent

__all__ = ["evaluate"]


@dataclass(frozen=True)
class _Sizes:
    """Metrics of one saved pair, reasons for nulls, warnings, and whether the files are equal."""

    values: dict[str, float | int | None] = field(default_factory=dict)
    nulls: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    unchanged: bool = False


SIZES_KIND = TypeAdapter(_Sizes)
MEANT_KIND = TypeAdapter(Intent)


@locking("run")
def evaluate(
    run: Run,
    victims: Sequence[Victim],
    *,
    batch_size: int = 1,
    critical_terms: Sequence[str] = (),
    on_progress: Progress | None = None,
) -> dict[str, Any]:
    """Re-read every saved file of ``run``, transcribe it through each victim's ordinary path, write the results and the summary.

    Rows of victims heard earlier are kept, those of the victims given are made anew; each is asked each sound once. A file or a
    victim that fails costs its own row, as outcome ``error``. What is found is kept line by line
    (:mod:`voiceattack.runs.journal`), and an evaluation that was cut off goes on where it stopped.

    Args:
        run: crafted examples.
        victims: who listens; the attacked victim, or others (transfer).
        batch_size: clips heard at once.
        critical_terms: names and domain words that must be heard right, beside those of the clips' manifests.
        on_progress: called with (done, in all, what is at hand): each example counts once for being measured and once a victim.

    Returns:
        The summary, as written.

    Raises:
        RunError: the run holds no examples, or cannot be written, or the answers of a victim cannot be kept (full disk).
        SpecError: a metric has the name of something else.
    """
    examples = run.examples()
    if not examples:
        raise RunError(f"{run.path}: holds no examples; run: {command_line('attack', 'INPUT', '--out', run.path)}")
    columns = [metric.name for metric in metrics() if metric.over == "clips" or metric.of == "signals"]
    if taken := [name for name in columns if name in Result.model_fields]:
        raise SpecError(f"a metric is registered as {taken[0]!r}, which results call something else; give it another name")
    journal = Journal(run.path)
    # Files of one clean clip together: what it masks is worked out once.
    ordered = sorted(examples, key=lambda example: example.clean_audio or "")
    total = len(examples) * (1 + len(victims))
    tell = on_progress or (lambda done, total, label: None)
    sizes = {}
    for example in each(ordered, "measuring", lambda example: example.id, lambda done, _, label: tell(done, total, label)):
        sizes[example.id] = _sizes(run, example, journal)
    specs = {victim.spec for victim in victims}
    rows = [row for row in _earlier(run) if row.victim not in specs and row.id in sizes]
    marks = []
    for place, victim in enumerate(victims, 1):
        run.note_victim(victim.spec, victim.describe())
        ears = _Ears(run, victim, batch_size, journal)
        paths = [path for example in examples for path in (example.clean_audio, example.audio) if path and not example.error]

        def heard(done: int, place: int = place, victim: Victim = victim, files: int = len(set(paths))) -> None:
            share = min(done, files) / max(1, files)
            label = f"{victim.spec} heard {min(done, files)} of {files} files"
            tell(place * len(examples) + round(share * len(examples)), total, label)

        heard(0)
        ears.listen(paths, heard)
        rows += [_result(example, ears, critical_terms, sizes[example.id]) for example in examples]
        marks.append(ears.mark)
    run.write_results(rows)
    made_with = {**{name: run.info.get(name) for name in ("versions", "platform")}, "normalizer": NORMALIZER}
    # With its examples in brief the summary alone is a baseline; see :mod:`voiceattack.compare`.
    summary: dict[str, Any] = {
        "run_id": run.id,
        **summarize(rows),
        "examples": [row.baseline_entry() for row in rows if row.is_final],
        "made_with": made_with,
    }
    own = {example.id: example.critical_terms for example in examples}
    summary["warnings"] += unsaid_notes([(row.id, row.reference, row.language) for row in rows], critical_terms, own)
    run.write_summary(summary)
    journal.finish(*marks)
    return summary


def _earlier(run: Run) -> list[Result]:
    return run.results() if run.resolve("results.jsonl").exists() else []


class _Ears:
    """What one victim hears in each file, each sound heard once, and what it does on each text."""

    def __init__(self, run: Run, victim: Victim, batch_size: int, journal: Journal) -> None:
        self.run, self.victim, self.batch_size, self.journal = run, victim, batch_size, journal
        self.mark = mark_of(victim)
        self.stopwatch = Stopwatch(victim)
        self.heard: dict[str, Hearing | VoiceAttackError] = {}
        self._asked: Interpret | None = interpret_of(victim)

    @property
    def interpret(self) -> Interpret | None:
        """What the victim does on a text, each text asked once; None when it does not act."""
        return None if self._asked is None else self._meant

    def _meant(self, text: str) -> Intent:
        assert self._asked is not None
        key = (self.mark, "meant", text)
        found = self.journal.recall(MEANT_KIND, *key)
        return self.journal.keep(MEANT_KIND, self._asked(text), *key) if found is None else found

    def listen(self, paths: Sequence[str], tell: Callable[[int], None]) -> None:
        """Hear the files at ``paths`` (relative to the run)."""
        todo = list(dict.fromkeys(paths))
        for start in range(0, len(todo), self.batch_size):
            self._batch(todo[start : start + self.batch_size])
            tell(start + self.batch_size)

    def _batch(self, paths: Sequence[str]) -> None:
        clips: dict[str, Tensor] = {}
        for path in paths:
            try:
                clips[path] = audio.load(self.run.resolve(path))
                self.victim.check_length(clips[path].shape[-1] / audio.SAMPLE_RATE, path)
            except VoiceAttackError as error:
                clips.pop(path, None)
                self.heard[path] = error
        keys = {path: (self.mark, "heard", sound_digest(clip)) for path, clip in clips.items()}
        known = {path: self.journal.recall(HEARING_KIND, *key) for path, key in keys.items()}
        # Clips of one batch are heard together or not at all: batching changes floating-point rounding.
        if all(found is not None for found in known.values()):
            self.heard.update({path: found for path, found in known.items() if found is not None})
            return
        try:
            hearings = dict(zip(keys, self.stopwatch.hear(Batch.of(list(clips.values()))), strict=True))
            self.heard.update({path: self.journal.keep(HEARING_KIND, one, *keys[path]) for path, one in hearings.items()})
        except Exception as error:  # a victim may be anybody's code; a batch that fails is heard clip by clip
            told = as_error(error)
            if len(clips) > 1:
                for path in clips:
                    self._batch([path])
                return
            self.heard[next(iter(clips))] = told


def _sizes(run: Run, example: Example, journal: Journal) -> _Sizes:
    if example.error or not example.audio or not example.clean_audio:
        return _Sizes()
    try:
        paths = run.resolve(example.clean_audio), run.resolve(example.audio)
        digests = [audio.file_sha256(path) for path in paths]
        names = (metric.name for metric in metrics() if metric.of == "signals")
        key = ("", "sizes", mark_of(), str(example.sha256), *digests, *names)
        if (known := journal.recall(SIZES_KIND, *key)) is not None:
            return known
        clean, adversarial = (audio.load(path) for path in paths)
        values, nulls = measure(clean, adversarial)
    except (VoiceAttackError, ValueError) as error:
        return _Sizes({}, {"snr_db": str(error)}, [str(error)])
    name = Path(example.audio).name
    changed = [] if digests[1] == example.sha256 else [f"{name} is not the file that was crafted (other SHA-256)"]
    return journal.keep(SIZES_KIND, _Sizes(dict(values), nulls, changed, torch.equal(clean, adversarial)), *key)


def _result(example: Example, ears: _Ears, critical_terms: Sequence[str], sizes: _Sizes) -> Result:
    """One line of results.jsonl."""
    row = _heard(_row(example, ears.victim, sizes), example, ears, critical_terms, sizes)
    return ears.run.result(Result, row, _row(example, ears.victim, sizes))


def _row(example: Example, victim: Victim, sizes: _Sizes) -> dict[str, Any]:
    """What is known before anything is heard: outcome ``error``."""
    always = {metric.name for metric in columns("results")}
    return {
        "id": example.id,
        "audio": example.audio,
        "clean_audio": example.clean_audio,
        "victim": victim.spec,
        "language": victim.language,
        **{
            name: getattr(example, name)
            for name in ("source_victim", "attack", "params", "objective", "target", "control_for", "stage_of")
        },
        **dict.fromkeys(("reference", "reference_source", "clean_hypothesis", "hypothesis", "clean_hypothesis_normalized")),
        **dict.fromkeys(("hypothesis_normalized", "wer_clean", "wer", "wer_raw", "cer", "success")),
        "outcome": "error",
        **{metric.name: sizes.values.get(metric.name) for metric in columns("results")},
        **{name: value for name, value in sizes.values.items() if name not in always},
        "nulls": dict(sizes.nulls),
        **{name: getattr(example, name) for name in ("steps", "queries", "seconds", "seed", "sha256", "recipe")},
        "warnings": [*example.warnings, *sizes.warnings],
        "trace": example.trace,
        "error": example.error,
    }


def _heard(row: dict[str, Any], example: Example, ears: _Ears, critical_terms: Sequence[str], sizes: _Sizes) -> dict[str, Any]:
    """The row with what was heard, or why nothing was."""
    language = ears.victim.language
    if example.error or not example.audio or not example.clean_audio:
        row["error"] = example.error or "nothing was crafted"
        return row
    hearings = ears.heard[example.clean_audio], ears.heard[example.audio]
    for what in hearings:
        if isinstance(what, VoiceAttackError):
            row["error"] = str(what)
            return row
    before, after = hearings
    assert isinstance(before, Hearing) and isinstance(after, Hearing)
    clean, heard = before.said, after.said
    row["timing"] = of_pair(before, after)
    if len({normalize(text, language) for text in heard.hypotheses}) > 1:
        row["warnings"].append(f"heard otherwise in other ways, which count too: {heard.details['hypotheses']}")
    row["warnings"] += cut_note(reference=example.reference, clean_transcript=clean.text, transcript=heard.text)
    try:
        row.update(_judge(example, ears, clean, heard, sizes.unchanged, row["nulls"]))
    except Exception as error:  # whoever acts on a text may be anybody's code, or a server
        row["error"] = str(as_error(error))
        return row
    terms = [*critical_terms, *example.critical_terms]
    return {**row, **_of_terms(row, clean.text, heard.text, terms, language)}


def _of_terms(row: dict[str, Any], clean: str, heard: str, terms: Sequence[str], language: str) -> dict[str, Any]:
    """What a row says of critical terms; nothing when there are none to look for."""
    if not terms:
        return {}
    values, nulls = measure_texts("terms", row["reference"], heard, terms, language)
    row["nulls"].update(nulls)
    return {**values, **term_facts(row["reference"], clean, heard, terms, language)}


def _judge(
    example: Example, ears: _Ears, clean: Transcript, heard: Transcript, unchanged: bool, nulls: dict[str, str]
) -> dict[str, Any]:
    """Transcripts, error rates, success and outcome of one pair; a victim of several ears is fooled when all of them are."""
    language, interpret = ears.victim.language, ears.interpret
    objective = Objective(example.objective, example.target, float(example.recipe.get("wer_threshold", 0.5)), language)
    reference = clean.text if example.reference is None else example.reference
    said, clean_words, words = (normalize(text, language) for text in (reference, clean.text, heard.text))
    success = objective.met(clean, heard, interpret)
    outcome = (
        "no_effect"
        if unchanged
        else "clean_wrong"
        if objective.aim.misheard(reference, clean, clean_words != said, interpret)
        else "fooled"
        if success
        else "held"
    )
    rates: dict[str, Any] = dict.fromkeys(("wer_clean", "wer", "wer_raw", "cer"))
    others, undefined = measure_texts("transcripts", said, words)
    nulls.update(undefined)
    if said:
        rates = {"wer_clean": word_errors(said, clean_words).wer, "wer": word_errors(said, words).wer}
        rates["wer_raw"] = word_errors(spaced(reference, language), spaced(heard.text, language)).wer
        rates["cer"] = cer(said, words, language)
        if example.reference is None:
            rates["wer_clean"] = None  # against itself a transcript has no errors
            nulls["wer_clean"] = "no reference text: the clean transcript is the reference"
    else:
        nulls.update(dict.fromkeys(rates, "the reference is empty"))
    return {
        "reference": reference,
        "reference_source": "clean transcript" if example.reference is None else "manifest",
        "clean_hypothesis": clean.text,
        "hypothesis": heard.text,
        "clean_hypothesis_normalized": clean_words,
        "hypothesis_normalized": words,
        **rates,
        **others,
        **({} if interpret is None else _actions(reference, clean, heard, interpret)),
        "success": success and not unchanged,
        "outcome": outcome,
        "nulls": nulls,
        "error": None,
    }


def _actions(reference: str, clean: Transcript, heard: Transcript, interpret: Interpret) -> dict[str, Any]:
    """What an assistant does on both clips and on what was said, in words; whether it errs; what was seen of it."""
    before, after = action_of(clean, interpret), action_of(heard, interpret)
    said = before if reference == clean.text else interpret(reference)
    wrong, slots = said.slot_errors(after)
    seen = {"clean_evidence": dict(before.evidence), "evidence": dict(after.evidence)}
    return {
        "reference_action": str(said),
        "clean_action": str(before),
        "action": str(after),
        "action_error": after != said,
        "intent_error": after.name != said.name,
        "slot_errors": wrong,
        "slots": slots,
        **(seen if any(seen.values()) else {}),
    }
