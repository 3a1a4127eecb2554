"""Prompts found, on disk, and judged from there: each clip's file is heard anew, without and with its prompt, by the victim's
ordinary path."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from voiceattack.audio import clips as audio
from voiceattack.commands import command_line
from voiceattack.corpus import clip_at
from voiceattack.errors import RunError, as_error
from voiceattack.files import inside, read_bytes, write_whole, writing
from voiceattack.metrics.intervals import wilson
from voiceattack.metrics.repetition import loops
from voiceattack.metrics.text import normalize, word_errors
from voiceattack.progress import Progress
from voiceattack.text.prompts.search import changed
from voiceattack.unicode_text import csv_cell, escape_json, visible
from voiceattack.victims.base import Victim
from voiceattack.victims.whisper.prompted import PromptKind, prompted

__all__ = ["PromptRecord", "PromptResult", "judge_prompts", "read_prompts", "summarize_prompts", "write_prompts", "write_results"]

RECORDS = "prompts.jsonl"
Choice = Literal["searched", "fixed", "random"]


@dataclass(frozen=True)
class PromptRecord:
    """One line of prompts.jsonl: a clip, and a prompt for it.

    ``choice`` says where it comes from: ``searched`` for this clip, ``fixed`` for all, or ``random`` words, the control.
    ``prompt`` is empty where the search found none. ``decoded`` counts the transcripts that the search made of this clip.
    """

    clip: str
    sha256: str
    prompt: str
    kind: PromptKind
    choice: Choice
    source_victim: str
    max_chars: int
    max_decodes: int
    decoded: int
    seed: int


@dataclass(frozen=True)
class PromptResult:
    """One line of results.jsonl: what a victim hears in the clip's file without and with the prompt.

    ``wer`` is of ``hypothesis`` against ``clean_hypothesis``, both normalised; ``changed`` is whether those differ, ``repeats``
    whether the hypothesis repeats itself (:func:`voiceattack.metrics.repetition.loops`).
    """

    clip: str
    victim: str
    choice: Choice
    kind: PromptKind
    prompt: str
    clean_hypothesis: str
    hypothesis: str
    wer: float
    changed: bool
    repeats: bool
    decoded: int
    error: str | None = None


def write_prompts(records: Sequence[PromptRecord], out: Path) -> Path:
    """``prompts.jsonl`` in ``out``, made when missing; its path. Raises RunError when it cannot be written."""
    return _write(out, {RECORDS: _lines(records)})[0]


def read_prompts(out: Path) -> list[PromptRecord]:
    """The records of ``out``, as they were written.

    Raises:
        RunError: there are none, or a line is damaged.
    """
    path = inside(out, RECORDS)
    try:
        lines = [line for line in read_bytes(path).split(b"\n") if line]
        return [PromptRecord(**json.loads(line)) for line in lines]
    except (OSError, ValueError, TypeError) as error:
        raise RunError(
            f"{path}: cannot be read ({error}); make it with: {command_line('prompts', 'CLIP...', '--out', out)}"
        ) from error


def judge_prompts(
    records: Sequence[PromptRecord],
    victims: Sequence[Victim],
    *,
    on_progress: Progress | None = None,
) -> list[PromptResult]:
    """Hear each record's file through each victim, by its ordinary path. A clip or victim that fails costs those rows.

    Raises:
        AttackError: a victim takes no prompt.
    """
    results: list[PromptResult] = []
    for victim in victims:
        asked = prompted(victim)
        clean: dict[str, str] = {}
        for record in records:
            results.append(_judged(record, asked, clean))
            if on_progress is not None:
                on_progress(len(results), len(records) * len(victims), record.prompt)
    return results


def _judged(record: PromptRecord, victim: Any, clean: dict[str, str]) -> PromptResult:
    facts: dict[str, Any] = {
        **{name: getattr(record, name) for name in ("clip", "choice", "kind", "prompt", "decoded")},
        "victim": victim.spec,
    }
    try:
        batch = audio.Batch.of([clip_at(record.clip).load()[0]])
        if record.clip not in clean:
            clean[record.clip] = victim.transcribe(batch)[0].text
        before = clean[record.clip]
        heard = victim.transcribe_prompted(batch, record.prompt, record.kind)[0].text if record.prompt else before
    except Exception as error:  # a victim may be anybody's code
        told = str(as_error(error))
        return PromptResult(**facts, clean_hypothesis="", hypothesis="", wer=0.0, changed=False, repeats=False, error=told)
    said, now = (normalize(text, victim.language) for text in (before, heard))
    wer = word_errors(said, now).wer if said else float(bool(now))
    return PromptResult(
        **facts,
        clean_hypothesis=before,
        hypothesis=heard,
        wer=round(wer, 4),
        changed=changed(before, heard, victim.language),
        repeats=loops(now),
    )


def summarize_prompts(results: Sequence[PromptResult]) -> list[dict[str, Any]]:
    """Per victim and choice: the share of clips changed with its interval, and mean WER against the transcript without a prompt.

    No clip counts more than 1 in the mean: a prompt that makes the recogniser repeat itself without end would be all of it.
    """
    groups: dict[tuple[str, str, str], list[PromptResult]] = {}
    for row in results:
        groups.setdefault((row.victim, row.kind, row.choice), []).append(row)
    summary = []
    for (victim, kind, choice), rows in groups.items():
        members = [row for row in rows if row.error is None]
        hits = [row for row in members if row.changed]
        prompts = {row.prompt for row in members}
        summary.append(
            {
                "victim": victim,
                "kind": kind,
                "choice": choice,
                "prompt": prompts.pop() if choice == "fixed" and len(prompts) == 1 else None,
                "n": len(members),
                "n_error": len(rows) - len(members),
                "changed": len(hits),
                "repeats": sum(row.repeats for row in members),
                "changed_share": len(hits) / len(members) if members else None,
                "changed_ci95": wilson(len(hits), len(members)),
                "wer_capped": sum(min(1.0, row.wer) for row in members) / len(members) if members else None,
                "wer_median_of_changed": statistics.median(row.wer for row in hits) if hits else None,
                "decoded_mean": sum(row.decoded for row in members) / len(members) if members else None,
            }
        )
    return summary


def write_results(
    results: Sequence[PromptResult], out: Path, table: Callable[..., str], escape: Callable[[str | None], str]
) -> list[Path]:
    """``results.jsonl``, ``prompts.csv``, ``summary.json`` and ``prompts.md`` in ``out``; their paths.

    Args:
        results: of :func:`judge_prompts`.
        out: folder, made when missing.
        table, escape: of Markdown.

    Raises:
        RunError: they cannot be written.
    """
    summary = summarize_prompts(results)
    sheet = io.StringIO()
    writer = csv.writer(sheet)
    writer.writerow([field.name for field in fields(PromptResult)])
    writer.writerows([[csv_cell(value) for value in asdict(row).values()] for row in results])
    heads = (
        "victim",
        "given as",
        "prompt is",
        "changed [95%]",
        "of",
        "repeats",
        "mean WER, at most 1 a clip",
        "transcripts a clip, search",
    )
    figures = [_figures(row, escape) for row in summary]
    head = ("clip", "victim", "prompt is", "prompt", "without", "with", "WER", "changed")
    cells = [
        (
            *(escape(text) for text in (Path(r.clip).name, r.victim, r.choice, r.prompt, r.clean_hypothesis)),
            escape(r.hypothesis if r.error is None else f"error: {r.error}"),
            f"{r.wer:.2f}",
            "yes" if r.changed else "no",
        )
        for r in results
    ]
    intro = "The audio stays. Each file was heard anew; WER is against the transcript without a prompt, after normalisation.\n"
    page = f"# voiceattack report: prompts\n\n{intro}\n{table(heads, figures)}\n{table(head, cells)}"
    files = {
        "results.jsonl": _lines(results),
        "prompts.csv": sheet.getvalue(),
        "summary.json": escape_json(json.dumps(summary, indent=1, ensure_ascii=False)) + "\n",
        "prompts.md": visible(page),
    }
    return _write(out, files)


def _figures(row: dict[str, Any], escape: Callable[[str | None], str]) -> tuple[str, ...]:
    low, high = row["changed_ci95"] or (0.0, 0.0)
    share = "-" if row["changed_share"] is None else f"{row['changed_share']:.2f} [{low:.2f}, {high:.2f}]"
    which = f"{row['choice']}: {row['prompt']}" if row["prompt"] else row["choice"]
    wer = "-" if row["wer_capped"] is None else f"{row['wer_capped']:.2f}"
    searched = f"{row['decoded_mean']:.1f}" if row["choice"] == "searched" and row["decoded_mean"] is not None else "-"
    return escape(row["victim"]), escape(row["kind"]), escape(which), share, str(row["n"]), str(row["repeats"]), wer, searched


def _lines(rows: Sequence[Any]) -> str:
    return "".join(escape_json(json.dumps(asdict(row), ensure_ascii=False)) + "\n" for row in rows)


def _write(out: Path, files: dict[str, str]) -> list[Path]:
    with writing(out, "make room or choose another folder"):
        for name, text in files.items():
            write_whole(inside(out, name), text.encode())
    return [out / name for name in files]
