"""The sections of report.md and report.html of a run of audio. One file with its :class:`Section` and one line here each."""

from __future__ import annotations

from dataclasses import replace

from markupsafe import Markup

from voiceattack.errors import as_error
from voiceattack.registry import Entry, Registry
from voiceattack.report.markdown_text import escape
from voiceattack.report.sections.base import Material, Section

__all__ = ["SECTIONS", "html_sections", "markdown_sections"]

SECTIONS: Registry[Section] = Registry("report section", group="voiceattack.sections")

SECTIONS.add("head", "voiceattack.report.sections.head:HEAD", "what was asked; in HTML the headline")
SECTIONS.add("unfinished", "voiceattack.report.sections.unfinished:UNFINISHED", "that not all files were heard yet")
SECTIONS.add("notes", "voiceattack.report.sections.notes:NOTES", "what to know before one trusts the figures")
SECTIONS.add("listening", "voiceattack.report.sections.listening:LISTENING", "what people heard")
SECTIONS.add("figures", "voiceattack.report.sections.figures:FIGURES", "rates and sizes by victim and attack")
SECTIONS.add("transfer", "voiceattack.report.sections.transfer:TRANSFER", "what each victim makes of the same artefacts")
SECTIONS.add("curve", "voiceattack.report.sections.transfer:ROBUSTNESS", "robustness curve: success and WER against SNR")
SECTIONS.add("corruptions", "voiceattack.report.sections.corruptions:CORRUPTIONS", "WER against severity")
SECTIONS.add("actions", "voiceattack.report.sections.actions:ACTIONS", "what an assistant did")
SECTIONS.add("home", "voiceattack.report.sections.home:HOME", "what a home did")
SECTIONS.add("terms", "voiceattack.report.sections.terms:TERMS", "critical terms that were not heard")
SECTIONS.add("time", "voiceattack.report.sections.time:TIME", "how long the victim took, and how much it wrote")
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
    return [_section(SECTIONS.entry(name)) for name in SECTIONS.in_order()]


def _section(entry: Entry) -> Section:
    if entry.outside is None:
        return SECTIONS.get(entry.name)
    try:  # an installed plug-in may be anybody's code; it costs its own section
        section = SECTIONS.get(entry.name)
        if not isinstance(section, Section):
            raise TypeError(f"got {type(section).__name__}, expected a Section")
    except Exception as error:
        failed = as_error(error)
        return Section(lambda _: _failed_markdown(entry, failed), lambda _: _failed_html(entry, failed))
    return replace(
        section,
        markdown=section.markdown and (lambda material: _plug_in_markdown(entry, section, material)),
        html=section.html and (lambda material: _plug_in_html(entry, section, material)),
    )


def _plug_in_markdown(entry: Entry, section: Section, material: Material) -> str:
    assert section.markdown is not None
    try:
        return str(section.markdown(material) or "")
    except Exception as error:
        return _failed_markdown(entry, as_error(error))


def _plug_in_html(entry: Entry, section: Section, material: Material) -> Markup:
    assert section.html is not None
    try:
        return Markup("{}").format(section.html(material) or "")  # escapes what is no Markup
    except Exception as error:
        return _failed_html(entry, as_error(error))


def _failed_markdown(entry: Entry, error: Exception) -> str:
    return f"\n## {escape(entry.name)}\n\nThis section, {escape(entry.summary)}, failed: {escape(error)}\n"


def _failed_html(entry: Entry, error: Exception) -> Markup:
    return Markup("<section><h2>{}</h2><p>This section, {}, failed: {}</p></section>").format(entry.name, entry.summary, error)
