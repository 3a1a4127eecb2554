"""Evaluate a run of texts: read the saved texts, or hear the saved audio, through each victim, and score the answers."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import TypeAdapter

from voiceattack.audio import clips as audio
from voiceattack.commands import command_line
from voiceattack.errors import RunError, as_error
from voiceattack.locks import locking
from voiceattack.metrics.intervals import wilson
from voiceattack.metrics.terms import summarize_terms, term_facts, unsaid_notes
from voiceattack.metrics.text import cut_note
from voiceattack.progress import Progress
from voiceattack.runs.journal import Journal, mark_of, sound_digest
from voiceattack.runs.records import TEXT_MEASURES, TextResult
from voiceattack.text.listeners import NOTHING, Answer, Listener
from voiceattack.text.problem import succeeded
from voiceattack.text.runs import TextExample, TextRun
from voiceattack.victims import load_victim
from voiceattack.victims.base import Victim
from voiceattack.victims.trust import NOBODY, Trust

__all__ = ["evaluate_texts", "summarize_texts"]

Row = dict[str, Any]
ANSWER = TypeAdapter(Answer)


@locking("run")
def evaluate_texts(
    run: TextRun,
    victims: Sequence[Victim],
    *,
    trust: Trust = NOBODY,
    critical_terms: Sequence[str] = (),
    on_progress: Progress | None = None,
) -> dict[str, Any]:
    """Ask each victim every text of ``run`` anew, as it lies on the disk; write results.jsonl and summary.json.

    Rows of victims asked earlier are kept. Spoken examples are heard from their saved files. A victim that
    fails on one costs that row. Each is asked each text or sound once; the answers are kept one by one
    (:mod:`voiceattack.runs.journal`), and an evaluation that was cut off goes on where it stopped.

    Args:
        run: crafted texts.
        victims: the attacked one, or others (transfer).
        trust: whether the run's own interpreter may be loaded if it runs a program or sends to a server.
        critical_terms: of spoken texts, names and domain words of the clean text that must be heard right.
        on_progress: called with (rows done, rows in all, what is at hand).

    Returns:
        The summary, as written.

    Raises:
        RunError: the run holds no texts or cannot be written.
        TrustError: its interpreter reaches out of this process, and nobody vouches for it.
    """
    examples = run.texts()
    if not examples:
        raise RunError(f"{run.path}: holds no texts; run: {command_line('text', 'INPUT', '--out', run.path)}")
    specs = {victim.spec for victim in victims}
    earlier = run.text_results() if run.resolve("results.jsonl").exists() else []
    ids = {example.id for example in examples}
    rows = [row for row in earlier if row.victim not in specs and row.id in ids]
    spoken = bool(run.request.get("speak"))
    acting = str(run.request.get("interpreter") or "")
    trust.check([acting] if acting else [], run.path / "run.json")
    interpreter = load_victim(acting) if acting else None
    journal, marks = Journal(run.path), []
    for place, victim in enumerate(victims):
        run.note_victim(victim.spec, victim.describe())
        listener = Listener(victim, _not_here, interpreter) if spoken else Listener(victim)
        marks.append(mark_of(victim) if interpreter is None else mark_of(victim, interpreter))
        asker = _Asker(run, listener, journal, marks[-1])
        for index, example in enumerate(examples):
            rows.append(_result(example, victim, asker, critical_terms))
            if on_progress is not None:
                done = place * len(examples) + index + 1
                on_progress(done, len(examples) * len(victims), f"{victim.spec} answered {index + 1} of {len(examples)}")
    if not victims:
        unasked = [_row(example, None, None) for example in examples]
        rows = [run.result(TextResult, row, row) for row in unasked]
    run.write_results(rows)
    summary = {"run_id": run.id, "kind": "text", **summarize_texts(rows)}
    languages = {victim.spec: victim.language for victim in victims}
    heard = [row for row in rows if row.heard is not None and row.victim in languages]
    summary["warnings"] += unsaid_notes([(row.id, row.text, languages[str(row.victim)]) for row in heard], critical_terms)
    run.write_summary(summary)
    journal.finish(*marks)
    return summary


def _not_here(text: str) -> Any:
    raise RunError(f"nothing is spoken during evaluation; {text[:30]!r} has no saved audio")


class _Asker:
    """What one victim answers to each text, or to each saved sound of one."""

    def __init__(self, run: TextRun, listener: Listener, journal: Journal, mark: str) -> None:
        self.run, self.listener, self.journal, self.mark = run, listener, journal, mark
        self._known: dict[str, Answer] = {}

    def ask(self, text: str, path: str | None) -> Answer:
        """The answer to ``text``, heard from ``path`` (relative to the run) where the texts are spoken."""
        if self.listener.speak is None:
            return self._answer(("read", text), lambda: self.listener.answer(text))
        if path is None:
            raise RunError(f"{self.run.path}: has no audio of {text[:30]!r}; delete its line in texts.jsonl to craft it again")
        if path not in self._known:
            waveform = audio.load(self.run.resolve(path))
            self._known[path] = self._answer(("heard", sound_digest(waveform)), lambda: self.listener.hear(waveform))
        return self._known[path]

    def _answer(self, question: tuple[str, str], ask: Callable[[], Answer]) -> Answer:
        known = self.journal.recall(ANSWER, self.mark, *question)
        return self.journal.keep(ANSWER, ask(), self.mark, *question) if known is None else known


def _result(example: TextExample, victim: Victim, asker: _Asker, terms: Sequence[str]) -> TextResult:
    """One line of results.jsonl."""
    row = _row(example, victim, asker)
    return asker.run.result(TextResult, {**row, **_terms(row, terms, victim.language)}, _row(example, victim, None))


def _row(example: TextExample, victim: Victim | None, asker: _Asker | None) -> Row:
    row: Row = {
        **example.model_dump(exclude={"sizes", "warnings", "error"}),
        "victim": None if victim is None else victim.spec,
        **{name: example.sizes.get(name) for name in TEXT_MEASURES},
        **dict.fromkeys(("clean_answer", "answer", "clean_heard", "heard", "success", "effect")),
        "outcome": "error" if example.error else "no_effect" if example.perturbed is None else "made",
        "warnings": list(example.warnings),
        "error": example.error,
    }
    if example.error or asker is None:
        return row
    try:
        clean = asker.ask(example.text, example.clean_audio)
        answer = clean if example.perturbed is None else asker.ask(example.perturbed, example.audio)
    except Exception as error:  # a victim may be anybody's code
        return {**row, "outcome": "error", "error": str(as_error(error))}
    row["warnings"] += cut_note(clean_transcript=clean.heard, transcript=answer.heard)
    success = example.perturbed is not None and succeeded(example.objective, example.target, clean, answer)  # type: ignore[arg-type]
    wrong = clean.label == NOTHING if example.expected is None else clean.label != example.expected
    outcome = "no_effect" if example.perturbed is None else "clean_wrong" if wrong else "fooled" if success else "held"
    return {
        **row,
        "clean_answer": clean.label,
        "answer": answer.label,
        **({"clean_evidence": clean.evidence, "evidence": answer.evidence} if answer.evidence else {}),
        "clean_heard": clean.heard,
        "heard": answer.heard,
        "success": success,
        "effect": None if answer.label == clean.label else "voided" if answer.label == NOTHING else "flipped",
        "outcome": outcome,
    }


def _terms(row: Row, terms: Sequence[str], language: str) -> Row:
    """Critical terms of the clean text in what was heard of the changed one; none where nothing was spoken."""
    if row["heard"] is None or row["clean_heard"] is None:
        return {}
    return term_facts(row["text"], row["clean_heard"], row["heard"], terms, language)


def summarize_texts(rows: Sequence[TextResult]) -> dict[str, Any]:
    """Groups per (victim, perturbation, objective). ``success_rate`` is over fooled, held and no_effect; texts that the victim
    answers wrongly when clean, and errors, are counted apart."""
    keys: dict[tuple[Any, ...], list[TextResult]] = {}
    for row in rows:
        keys.setdefault((row.victim, row.source_victim, row.perturbation, row.objective), []).append(row)
    groups = []
    for (victim, source, perturbation, objective), members in keys.items():
        outcomes = [row.outcome for row in members]
        scored = [row for row in members if row.scored]
        fooled = outcomes.count("fooled")
        won = [row for row in members if row.outcome in ("fooled", "made")]
        groups.append(
            {
                "victim": victim,
                "source_victim": source,
                "perturbation": perturbation,
                "objective": objective,
                "n": len(members),
                "n_scored": len(scored),
                **{f"n_{name}": outcomes.count(name) for name in ("fooled", "held", "no_effect", "clean_wrong", "error")},
                **{f"n_{effect}": sum(row.effect == effect for row in scored) for effect in ("flipped", "voided")},
                "success_rate": fooled / len(scored) if scored else None,
                "success_ci95": wilson(fooled, len(scored)),
                **{f"{name}_median": _median(won, name) for name in TEXT_MEASURES},
                **summarize_terms(members),
                "queries_total": sum(row.queries for row in members),
                "seconds_total": round(sum(row.seconds for row in members), 3),
            }
        )
    return {"groups": groups, "warnings": _warnings(groups)}


def _median(rows: Sequence[TextResult], name: str) -> float | None:
    values = [value for row in rows if (value := row.value(name)) is not None]
    return statistics.median(values) if values else None


def _warnings(groups: Sequence[dict[str, Any]]) -> list[str]:
    notes = []
    for group in groups:
        name = group["perturbation"] + (f" on {group['victim']}" if group["victim"] else "")
        for key, words in (
            ("n_clean_wrong", "texts are answered wrongly, or not at all, when clean: left out of the success rate"),
            ("n_no_effect", "texts have no admissible change (no_effect)"),
            ("n_error", "texts failed (error)"),
        ):
            if group[key]:
                notes.append(f"{name}: {group[key]} of {group['n']} {words}")
    return notes
