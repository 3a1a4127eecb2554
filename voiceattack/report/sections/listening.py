"""What people heard, in blind listening tests."""

from __future__ import annotations

from markupsafe import Markup

from voiceattack.listening import detection, read_answers
from voiceattack.report.sections.base import Material, Section
from voiceattack.report.templates import fill

__all__ = ["LISTENING"]


def _html(material: Material) -> Markup:
    return fill("sections/listening.html.j2", listening=detection(read_answers(material.run)))


LISTENING = Section(html=_html, html_place=20)
