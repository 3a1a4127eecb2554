"""The report's sections on other victims and on sizes: transfer and deployment matrix, robustness curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from voiceattack.evaluate.curve import Curve, curves
from voiceattack.files import inside
from voiceattack.metrics.error_rate import ErrorRate
from voiceattack.report.chart import charts
from voiceattack.report.console import number, with_interval
from voiceattack.report.curve import draw_curves, labels
from voiceattack.report.markdown_text import code, escape, table
from voiceattack.report.sections.base import Material, Section
from voiceattack.report.templates import fill
from voiceattack.runs.records import Result

__all__ = ["ROBUSTNESS", "TRANSFER", "TransferRow", "robustness", "transfer", "transfer_rows"]

MOST_CLIPS = 12


@dataclass(frozen=True)
class TransferRow:
    """What one victim makes of the artefacts of one attack: shares, and for each clip the highest SNR in dB that fooled it."""

    curve: Curve
    wer: float | None
    noise_fooled: int
    noise_heard: int

    @property
    def loosest(self) -> dict[str, Any]:
        """The point of the curve at its lowest SNR, where every artefact counts."""
        return self.curve.points[0]

    @property
    def attacked(self) -> bool:
        """Whether this victim is the one that the artefacts were crafted on."""
        return self.curve.victim == self.curve.source_victim


def transfer_rows(rows: Sequence[Result]) -> list[TransferRow]:
    """A row for each victim and attack, the attacked victim first; empty when only one victim listened."""
    found = curves(rows)
    if len({curve.victim for curve in found}) < 2:
        return []
    return [_row(curve, rows) for curve in sorted(found, key=lambda curve: curve.victim != curve.source_victim)]


def _row(curve: Curve, rows: Sequence[Result]) -> TransferRow:
    members = [row for row in rows if not row.is_stage and curve.covers(row)]
    ids = {row.id for row in members}
    noise = [row for row in rows if row.victim == curve.victim and row.control_for in ids and row.success is not None]
    wer = ErrorRate.of(row.word_errors() for row in members)
    return TransferRow(curve, wer.compute(), sum(bool(row.success) for row in noise), len(noise))


def transfer(rows: Sequence[Result]) -> str:
    """What each victim makes of the artefacts, as Markdown; empty when only one listened.

    The dB of a clip is the highest SNR among its artefacts, stages included, at which the victim was fooled.
    """
    found = transfer_rows(rows)
    if not found:
        return ""
    clips = list(dict.fromkeys(name for row in found for name in row.curve.clips))
    shown = clips if len(clips) <= MOST_CLIPS else []
    head = ("heard by", "fooled [95%]", "WER", "noise: fooled", "median dB", *(escape(name) for name in shown))
    text = (
        "Artefacts crafted on one victim, heard by all. A clip's figure is the highest SNR in dB of its artefacts, those met on\n"
        "the way (`--stages`) included, at which that victim was fooled; a dash: at none. Clips that a victim mishears when\n"
        "clean, or could not be asked, are left out of its row.\n"
    )
    return f"\n## Transfer and deployments\n\n{text}\n" + table(head, [_line(row, shown) for row in found])


def _line(row: TransferRow, shown: Sequence[str]) -> tuple[str, ...]:
    curve, loosest = row.curve, row.loosest
    cells = ["-" if curve.clips.get(clip) is None else number(curve.clips[clip], 1) for clip in shown]
    cells = ["left out" if clip not in curve.clips else cell for clip, cell in zip(shown, cells, strict=True)]
    return (
        code(curve.victim) + (" (attacked)" if row.attacked else ""),
        with_interval(loosest["success_rate"], loosest["success_ci95"]) + f" of {loosest['n']}",
        number(row.wer),
        f"{row.noise_fooled} of {row.noise_heard}" if row.noise_heard else "-",
        number(curve.median_snr_db, 1),
        *cells,
    )


def robustness(rows: Sequence[Result], folder: Path) -> str:
    """The robustness curve as Markdown with its picture, ``plots/curve.png``; empty without stages."""
    if not any(row.is_stage for row in rows):
        return ""
    found = curves(rows, level_db=5.0)
    draw_curves(curves(rows), inside(folder, "plots/curve.png"))
    head = (
        "SNR dB",
        *(f"{escape(name)}: {what}" for name in labels(found) for what in ("fooled [95%]", "noise", "WER [95%]", "noise")),
    )
    levels = sorted({point["snr_db"] for curve in found for point in curve.points})
    lines = []
    for level in levels:
        cells = []
        for curve in found:
            point = next((point for point in curve.points if point["snr_db"] == level), None)
            cells += ["-"] * 4 if point is None else [
                with_interval(point["success_rate"], point["success_ci95"]),
                number(point["noise_success_rate"]),
                with_interval(point["wer"], point["wer_ci95"]),
                number(point["noise_wer"]),
            ]  # fmt: skip
        lines.append((f"{level:g}", *cells))
    medians = "; ".join(
        f"{escape(name)} {number(curve.median_snr_db, 1)} dB" for curve, name in zip(found, labels(found), strict=True)
    )
    text = (
        "Share of clips fooled, and WER, by artefacts of at least that SNR; noise of the same SNR beside it. Median over clips\n"
        f"of the SNR of the quietest perturbation that fools each: {medians}. The higher it is, the more fragile the victim.\n"
    )
    return f"\n## Robustness curve\n\n{text}\n![Success and WER against SNR](plots/curve.png)\n\n" + table(head, lines)


def _transfer_html(material: Material) -> Markup:
    found = transfer_rows(material.every)
    clips = list(dict.fromkeys(name for row in found for name in row.curve.clips))
    return fill("sections/transfer.html.j2", transfer=found, clips=clips if len(clips) <= MOST_CLIPS else [])


def _robustness_html(material: Material) -> Markup:
    staged = any(row.is_stage for row in material.every)
    return fill("sections/curve.html.j2", charts=charts(curves(material.every)) if staged else [])


TRANSFER = Section(lambda material: transfer(material.every), _transfer_html, markdown_place=30, html_place=60)
ROBUSTNESS = Section(
    lambda material: robustness(material.every, material.folder), _robustness_html, markdown_place=40, html_place=50
)
