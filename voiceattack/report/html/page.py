"""What every HTML page has in common: ``page.html.j2`` around it, its look, its scripts with the digest that lets them run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2.environment import TemplateStream
from markupsafe import Markup

from voiceattack.files import read_text
from voiceattack.report.templates import html_environment

__all__ = ["page_stream", "render_page"]

TEMPLATES = Path(__file__).parent / "templates"


def page_stream(template: str, *, scripts: Sequence[str] = (), styles: Sequence[str] = (), **facts: Any) -> TemplateStream:
    """A page that extends ``page.html.j2``, piece by piece.

    Args:
        template: its name.
        scripts: files of ``templates/`` that run after ``page.js``.
        styles: files of ``templates/`` after ``report.css``.
        facts: what the template asks for.
    """
    script = "\n".join(_text(name) for name in ("page.js", *scripts))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    css = "\n".join(_text(name) for name in ("report.css", *styles))
    return html_environment().get_template(template).stream(**facts, css=Markup(css), script=Markup(script), script_sha256=digest)


def render_page(template: str, *, scripts: Sequence[str] = (), styles: Sequence[str] = (), **facts: Any) -> str:
    """The same as one text."""
    return "".join(page_stream(template, scripts=scripts, styles=styles, **facts))


def _text(name: str) -> str:
    return read_text(TEMPLATES / name)
