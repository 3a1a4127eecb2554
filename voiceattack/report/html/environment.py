"""How HTML pages are filled in: everything escaped, undefined names an error, and what a reader would not see marked."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from voiceattack.unicode_text import visible

__all__ = ["html_environment"]


def html_environment() -> Environment:
    """Jinja2 over the package's templates."""
    return Environment(
        loader=PackageLoader("voiceattack.report.html"), autoescape=True, undefined=StrictUndefined, finalize=_nothing_hidden
    )


def _nothing_hidden(value: object) -> object:
    """Text with its invisible characters marked; what is markup already stays."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
