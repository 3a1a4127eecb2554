"""The figures: rates with their intervals and controls, sizes as medians, by victim and attack."""

from __future__ import annotations

from markupsafe import Markup

from voiceattack.evaluate.summary import attack_name
from voiceattack.metrics import columns
from voiceattack.report.console import number, rate_label, with_interval
from voiceattack.report.markdown_text import code, escape, table
from voiceattack.report.sections.base import Material, Section
from voiceattack.report.sections.groups import groups_of
from voiceattack.report.templates import fill

__all__ = ["FIGURES"]


def _markdown(material: Material) -> str:
    groups = sorted(material.summary["groups"], key=lambda group: (group["victim"], group["is_control"]))
    shown = columns("figures")
    rows = []
    for group in groups:
        name = "equal-SNR noise (control)" if group["is_control"] else escape(f"{attack_name(group)}, {group['objective']}")
        success = with_interval(group["success_rate"], group["success_ci95"]) + f" of {group['n_scored']}"
        wer = with_interval(group["wer"], group["wer_ci95"])
        sizes = [number(group.get(metric.median), metric.digits_in("figures")) for metric in shown]
        rows.append(
            (
                name,
                code(group["victim"]),
                str(group["n"]),
                number(group["wer_clean"]),
                wer,
                number(group["cer"]),
                success,
                *sizes,
            )
        )
    rate = rate_label(groups)
    head = (
        "attack",
        "heard by",
        "n",
        f"clean {rate}",
        f"{rate} [95%]",
        "CER",
        "success [95%]",
        *(escape(metric.heading_in("figures")) for metric in shown),
    )
    text = (
        "Every figure comes from the saved 16-bit files, read again and transcribed by the victim's ordinary path. WER and CER\n"
        "are over the corpus, after normalisation, with bootstrap intervals over clips; success has Wilson intervals; sizes are\n"
        "medians.\n"
    )
    return f"\n## Figures\n\n{text}\n" + table(head, rows)


def _html(material: Material) -> Markup:
    rate = rate_label(material.summary["groups"])
    return fill("sections/figures.html.j2", groups=material.once(groups_of), rate=rate, sizes=columns("html"))


FIGURES = Section(_markdown, _html, markdown_place=10, html_place=40)
