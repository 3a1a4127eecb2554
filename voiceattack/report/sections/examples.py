"""Every example: in Markdown with its picture, in HTML a list to search, each opened by a click."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from markupsafe import Markup

from voiceattack.errors import AudioError
from voiceattack.files import inside
from voiceattack.metrics import OF_TEXTS, Metric, columns
from voiceattack.progress import each
from voiceattack.report.alignment import align
from voiceattack.report.commands import replay_command, run_name
from voiceattack.report.console import number
from voiceattack.report.markdown_text import code, escape, link, table
from voiceattack.report.plots import draw_example
from voiceattack.report.sections.base import Material, Section
from voiceattack.report.templates import fill
from voiceattack.runs.records import Result
from voiceattack.runs.run import Run

__all__ = ["EXAMPLES"]

OUTCOMES = {
    "fooled": "fooled",
    "held": "held",
    "clean_wrong": "misheard when clean",
    "no_effect": "no effect",
    "error": "error",
}


def _markdown(material: Material) -> str:
    rows = material.rows
    # Of several that heard an example the picture tells what the last one heard.
    drawn = {row.id: row for row in rows if row.audio and not row.is_control}
    parts = ["\n## Examples\n"]
    for identifier, row in each(list(drawn.items()), "drawing", lambda item: item[0]):
        heard = [row for row in rows if row.id == identifier]
        controls = [row for row in rows if row.control_for == identifier]
        parts += _example(material.run, heard, controls)
        parts.append(_picture(material.run, row, material.folder))
    return "\n".join(parts)


def _example(run: Run, heard: Sequence[Result], controls: Sequence[Result]) -> Iterator[str]:
    first = heard[0]
    source = "" if first.has_reference else " (no reference given: the clean transcript)"
    yield f"\n### {escape(first.id)}\n"
    yield f"Said{source}: {escape(first.reference)}\n"
    yield _heard(heard, controls)
    files = [
        ("adversarial", first.audio),
        ("clean", first.clean_audio),
        *(("noise", row.audio) for row in controls[:1]),
    ]
    yield "Listen: " + ", ".join(link(name, path) for name, path in files if path) + "\n"
    sizes = [f"{escape(metric.name)} {number(first.value(metric.name), metric.digits_in('size'))}" for metric in columns("size")]
    cost = f"{first.steps} steps, {first.queries} queries, {first.seconds:.1f} s, seed {first.seed}"
    yield f"Size: {', '.join(sizes)}. Cost: {escape(cost)}.\n"
    if first.warnings:
        yield "Warnings: " + "; ".join(escape(text) for text in first.warnings) + "\n"
    yield f"Again: {code(replay_command(run_name(run), first))}\n"


def _heard(heard: Sequence[Result], controls: Sequence[Result]) -> str:
    """The table of an example: error rates beside what was heard, sizes of the change beside the outcome."""
    rates, sizes = columns("examples", *OF_TEXTS), columns("examples", "signals")

    def values(metrics: Sequence[Metric], row: Result, suffix: str = "") -> Iterator[str]:
        return (number(row.value(f"{metric.name}{suffix}"), metric.digits_in("examples")) for metric in metrics)

    cells = []
    for row in [*heard, *controls]:
        name = "equal-SNR noise (control)" if row.is_control else escape(row.attack)
        told = (name, code(row.victim), escape(row.hypothesis), *values(rates, row))
        cells.append((*told, escape(row.outcome), *values(sizes, row)))
        if not row.is_control:
            clean = ("clean", code(row.victim), escape(row.clean_hypothesis), *values(rates, row, "_clean"))
            cells.append((*clean, "", *("" for _ in sizes)))
    rate_names, size_names = ([escape(metric.heading_in("examples")) for metric in some] for some in (rates, sizes))
    return table(("audio", "heard by", "heard", *rate_names, "outcome", *size_names), cells)


def _picture(run: Run, row: Result, folder: Path) -> str:
    out = inside(folder, f"plots/{row.id}.png")
    heard = " ".join((row.hypothesis or "").split())
    short = heard if len(heard) <= 90 else heard[:87] + "..."
    snr = number(row.snr_db, 1)
    try:
        draw_example(
            run.resolve(str(row.clean_audio)),
            run.resolve(str(row.audio)),
            f"{row.id}: {row.attack} at {snr} dB SNR\nheard: {short!r}",
            out,
        )
    except AudioError as error:
        return f"No picture: {escape(str(error))}\n"
    return link("Waveforms and spectrograms of clean, adversarial and perturbation", f"plots/{out.name}", image=True) + "\n"


def _html(material: Material) -> Markup:
    order = list(OUTCOMES)
    shown = sorted(
        (row for row in material.rows if not row.is_control),
        key=lambda row: order.index(row.outcome) if row.outcome in order else len(order),
    )
    noise = {(row.control_for, row.victim): row for row in material.rows if row.is_control}
    rates, sizes = columns("list", *OF_TEXTS), columns("list", "signals")
    names = [
        (name, metric.meaning) for metric in rates for name in (metric.heading_in("list"), f"Noise {metric.heading_in('list')}")
    ]
    names += [(metric.heading_in("list"), metric.meaning) for metric in sizes]
    return fill(
        "sections/examples.html.j2",
        rows=[(row, _difference(row), _measured(row, noise.get((row.id, row.victim)), rates, sizes)) for row in shown],
        measured=names,
        outcomes=[(name, label, sum(row.outcome == name for row in shown)) for name, label in OUTCOMES.items()],
        labels=OUTCOMES,
        victims=sorted({row.victim for row in shown}),
        attacks=sorted({row.attack for row in shown}),
    )


def _difference(row: Result) -> list[tuple[str, str, str]]:
    """What was said and heard, word by word, as :func:`~voiceattack.report.alignment.align` gives it."""
    return align(row.normalized_reference, row.normalized_hypothesis)


def _measured(row: Result, noise: Result | None, rates: Sequence[Metric], sizes: Sequence[Metric]) -> list[str]:
    """The figures of a line of the list: each rate with that of its noise control, then the sizes."""
    pairs = [(one, metric) for metric in rates for one in (row, noise)] + [(row, metric) for metric in sizes]
    return [number(None if one is None else one.value(metric.name), metric.digits_in("list")) for one, metric in pairs]


EXAMPLES = Section(_markdown, _html, markdown_place=200, html_place=200)
