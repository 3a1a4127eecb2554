"""The sections of report.md and report.html of a run of audio. One file with its :class:`Section` and one line here each."""

from __future__ import annotations

from markupsafe import Markup

from voiceattack.registry import Registry
from voiceattack.report.sections.base import Material, Section

__all__ = ["SECTIONS", "html_sections", "markdown_sections"]

SECTIONS: Registry[Section] = Registry("report section", group="voiceattack.sections")

SECTIONS.add("head", "voiceattack.report.sections.head:HEAD", "what was asked; in HTML the headline")
SECTIONS.add("notes", "voiceattack.report.sections.notes:NOTES", "what to know before one trusts the figures")
SECTIONS.add("listening", "voiceattack.report.sections.listening:LISTENING", "what people heard")
SECTIONS.add("figures", "voiceattack.report.sections.figures:FIGURES", "rates and sizes by victim and attack")
SECTIONS.add("transfer", "voiceattack.report.sections.transfer:TRANSFER", "what each victim makes of the same artefacts")
SECTIONS.add("curve", "voiceattack.report.sections.transfer:ROBUSTNESS", "robustness curve: success and WER against SNR")
SECTIONS.add("corruptions", "voiceattack.report.sections.corruptions:CORRUPTIONS", "WER against severity")
SECTIONS.add("actions", "voiceattack.report.sections.actions:ACTIONS", "what an assistant did")
SECTIONS.add("home", "voiceattack.report.sections.home:HOME", "what a home did")
SECTIONS.add("terms", "voiceattack.report.sections.terms:TERMS", "critical terms that were not heard")
SECTIONS.add("apart", "voiceattack.report.sections.apart:APART", "what is counted apart, and attacks that failed")
SECTIONS.add("examples", "voiceattack.report.sections.examples:EXAMPLES", "every example")
SECTIONS.add("made", "voiceattack.report.sections.made:MADE", "how it was made")


def markdown_sections(material: Material) -> str:
    """All of report.md."""
    every = sorted(_sections(), key=lambda section: section.markdown_place)
    parts = [section.markdown(material) for section in every if section.markdown is not None]
    return "\n".join(part for part in parts if part)


def html_sections(material: Material) -> Markup:
    """All of the main part of report.html."""
    every = sorted(_sections(), key=lambda section: section.html_place)
    parts = [section.html(material) for section in every if section.html is not None]
    return Markup("\n").join(part for part in parts if part)


def _sections() -> list[Section]:
    return [SECTIONS.get(name) for name in SECTIONS.in_order()]
